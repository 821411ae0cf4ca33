"""NumPy arrays in one file that is either whole or absent, read through memory mapping.

The files are ordinary safetensors files (any safetensors reader opens them). Their metadata holds
our own values and a CRC of every array. Opening costs one header; pages come from the cache that
all processes share, so loader workers hold no copies.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_write

DTYPES = {"I64": np.int64, "I32": np.int32, "U16": np.uint16, "U8": np.uint8, "F32": np.float32}


def write_arrays(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> None:
    """Write `arrays` and the JSON values `info` to `path`: temporary file, flushed to disk,
    renamed.
    """
    contents = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {
        "info": json.dumps(dict(info)),
        "crc32": json.dumps({n: _crc(a) for n, a in contents.items()}),
    }
    with atomic_write(path) as temporary:
        save_file(contents, temporary, metadata=metadata)


def open_arrays(
    path: str | os.PathLike, verify: bool = False, advice: str = "remove it"
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Map the arrays of `path`, read-only, and return them with the file's `info`.

    BadValue, which ends with `advice`, for a file of the wrong size or without our header. `verify`
    also compares the CRCs, which reads the whole file once (about 0.2 s a GB when cached). The
    mapping lives as long as one of the arrays, even when the file is replaced or removed meanwhile.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + struct.unpack("<Q", mapped[:8])[0]
        header = json.loads(mapped[8:start])
        metadata = header.pop("__metadata__")
        info, crcs = json.loads(metadata["info"]), json.loads(metadata.get("crc32", "{}"))
        size = start + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        struct.error,
    ):  # JSON and UTF-8 errors are ValueErrors
        raise BadValue(f"'{path}' is damaged: its header cannot be read; {advice}") from None
    if len(mapped) != size:
        raise BadValue(f"'{path}' is damaged: {len(mapped)} bytes long instead of {size}; {advice}")
    arrays = {name: _array(mapped, start, entry) for name, entry in header.items()}
    for name in arrays if verify else ():
        if _crc(arrays[name]) != crcs.get(name):
            raise BadValue(
                f"'{path}' is damaged: the content of '{name}' does not match its checksum; "
                f"{advice}"
            )
    return arrays, info


def _array(mapped: mmap.mmap, start: int, entry: Mapping[str, Any]) -> np.ndarray:
    shape, kind = tuple(entry["shape"]), DTYPES[entry["dtype"]]
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.empty(shape, kind)
    return np.frombuffer(mapped, kind, count, start + entry["data_offsets"][0]).reshape(shape)


def _crc(array: np.ndarray) -> int:
    return zlib.crc32(memoryview(array.reshape(-1).view(np.uint8))) if array.size else 0
