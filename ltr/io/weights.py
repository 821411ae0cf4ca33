"""Weight files in the safetensors format: a network to ship or to track with, without the state of
its training.

The header holds what a checkpoint calls `constructor` and `net_info`, as JSON, so that
`load_network` rebuilds the network.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_write

SUFFIX = ".safetensors"
_DESCRIPTION = ("constructor", "net_info")
_CHECKSUMS = "crc32"


def write_weights(path: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Write `content['net']`, a state dict, with the entries `constructor` and `net_info`, plain
    values, in one step.
    """
    if not isinstance(content.get("net"), Mapping):
        raise BadValue(
            f"{path} cannot be written: the checkpoint has no entry 'net', which a weight file is "
            "made of"
        )
    try:
        header = {
            name: json.dumps(content[name])
            for name in _DESCRIPTION
            if content.get(name) is not None
        }
    except TypeError as error:
        raise BadValue(
            f"{path} cannot be written: how its network is built has no JSON form ({error}); "
            "write a .pth.tar "
            "file instead"
        ) from None
    with atomic_write(path) as temporary:
        tensors = {
            name: value.detach().cpu().contiguous() for name, value in content["net"].items()
        }
        header[_CHECKSUMS] = json.dumps({name: _crc(value) for name, value in tensors.items()})
        # Its save_file makes files that only their owner can read.
        temporary.write_bytes(save(tensors, header))


def read_weights(path: str | os.PathLike) -> dict[str, Any]:
    """Return what `write_weights` was given, on the CPU.

    Of another program's file it is the entry `net` alone. BadValue when the file is damaged; files
    that hold checksums are compared with them.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            header = file.metadata() or {}
            described = {name: json.loads(header[name]) for name in _DESCRIPTION if name in header}
            checksums = json.loads(header.get(_CHECKSUMS, "{}"))
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise BadValue(
            f"{path} is not a safetensors file or is damaged ({error}); copy it again"
        ) from error
    if not isinstance(checksums, dict):
        checksums = {}
    for name in names:
        if name in checksums and checksums[name] != _crc(tensors[name]):
            raise BadValue(
                f"{path} is damaged: the content of '{name}' does not match its checksum; copy it "
                "again"
            )
    return {"net": tensors, **described}


def _crc(tensor: torch.Tensor) -> int:
    array = tensor.reshape(-1).view(torch.uint8).numpy()
    return zlib.crc32(array.tobytes())
