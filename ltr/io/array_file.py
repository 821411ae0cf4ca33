"""NumPy arrays in one file that is either whole or absent, read through memory mapping.

The files are ordinary safetensors files (any safetensors reader opens them). Their metadata holds
our own values and a CRC of every array. Opening costs one header; pages come from the cache that
all processes share, so loader workers hold no copies.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
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
        if not isinstance(info, dict) or not isinstance(crcs, dict):
            raise TypeError
        places = {name: _Place.of(entry) for name, entry in header.items()}
    # Errors of JSON and UTF-8 are ValueErrors; brackets in brackets are a RecursionError.
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ):
        raise BadValue(f"'{path}' is damaged: its header cannot be read; {advice}") from None
    size = start + max((place.end for place in places.values()), default=0)
    if len(mapped) != size:
        raise BadValue(f"'{path}' is damaged: {len(mapped)} bytes long instead of {size}; {advice}")
    arrays = {name: place.array(mapped, start) for name, place in places.items()}
    for name in arrays if verify else ():
        if _crc(arrays[name]) != crcs.get(name):
            raise BadValue(
                f"'{path}' is damaged: the content of '{name}' does not match its checksum; "
                f"{advice}"
            )
    return arrays, info


@dataclass(frozen=True)
class _Place:
    """Where an array lies in a file, as the header says it."""

    shape: tuple[int, ...]
    dtype: np.dtype
    begin: int
    end: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Place:
        """Return the place of a header's entry; ValueError or KeyError where it makes no sense."""
        dtype = np.dtype(DTYPES[entry["dtype"]])
        shape = tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
            raise ValueError
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError
        return cls(shape, dtype, begin, end)

    def array(self, mapped: mmap.mmap, start: int) -> np.ndarray:
        """Map the array; the header ends at `start`."""
        count = math.prod(self.shape)
        if not count:
            return np.empty(self.shape, self.dtype)
        return np.frombuffer(mapped, self.dtype, count, start + self.begin).reshape(self.shape)


def _crc(array: np.ndarray) -> int:
    return zlib.crc32(array.reshape(-1).view(np.uint8).data) if array.size else 0
