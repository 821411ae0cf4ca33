"""An epoch that SIGTERM stopped between two iterations. It goes on with the next one, bit for bit.

Epochs of the published schedule take hours, clusters give seconds. The file holds everything in
one: student, optimiser and statistics as a checkpoint does, the teacher, and a `PartialEpoch`.
Samples and augmentation are functions of (seed, epoch, iteration) anyway. Dropout draws from the
global generators, whose states are kept.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

_NAME = "{}_ep{:04d}_i{:04d}.pth.tar"
_PATTERN = re.compile(r".+_ep(?P<epoch>\d+)_i(?P<iteration>\d+)\.pth\.tar")


def file_name(net_type: str, epoch: int, iteration: int) -> str:
    """Return the name of the file written after `iteration` iterations of `epoch`. No checkpoint of
    a whole epoch has such a name.
    """
    return _NAME.format(net_type, epoch, iteration)


def files(folder: Path) -> dict[tuple[int, int], Path]:
    """Return the files of partial epochs in a run's folder, by epoch and iteration."""
    matches = {path: _PATTERN.fullmatch(path.name) for path in Path(folder).glob("*_i*.pth.tar")}
    return {
        (int(match["epoch"]), int(match["iteration"])): path
        for path, match in matches.items()
        if match
    }


@dataclass(frozen=True)
class PartialEpoch:
    """The states of an unfinished epoch's components, as their `state_dict` gave them.

    Networks, optimiser and statistics are in the checkpoint that holds it.
    """

    iteration: int  # how many are done
    records: dict[str, Any]  # columns of the pseudo-labels found
    confidences: list[int]  # of the history's line
    seconds: dict[str, float]  # of the stopwatch
    nonfinite: int  # iterations in a row whose loss or gradient was not finite
    # Of each process: its random generators, and what its loader's fault log counted.
    processes: list[dict[str, Any]]

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint keeps under 'begun'."""
        return dict(vars(self))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> PartialEpoch:
        """Return the partial epoch that a checkpoint keeps under 'begun'."""
        return cls(**{field.name: plain[field.name] for field in fields(cls)})


def generator_states(device: torch.device) -> dict[str, Any]:
    """Return the states of Python's, NumPy's, torch's and the GPU's global random generators."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_generator_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Restore what `generator_states` returned. A GPU's state is left out on a CPU."""
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    name, numpy_keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(numpy_keys, np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["device"] is not None:
        torch.cuda.set_rng_state(states["device"], device)
