"""An epoch that SIGTERM stopped between two iterations, kept so that it goes on with the next one,
bit for bit.

Epochs of the published schedule take hours, clusters give seconds. The file holds everything in
one: student, optimiser and statistics as a checkpoint does, the teacher, and what the epoch had
gathered. Samples and augmentation are functions of (seed, epoch, iteration) anyway; dropout draws
from the global generators, whose states are kept.
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

from ltr.parallel.distributed import all_gather, get_rank, get_world_size
from spot_ext.training.pseudo_labels.merge import RECORD

_NAME = "{}_ep{:04d}_i{:04d}.pth.tar"
_PATTERN = re.compile(r".+_ep(?P<epoch>\d+)_i(?P<iteration>\d+)\.pth\.tar")


def file_name(net_type: str, epoch: int, iteration: int) -> str:
    """Of the file written after `iteration` iterations of `epoch`; no name of a whole epoch's
    checkpoint.
    """
    return _NAME.format(net_type, epoch, iteration)


def files(folder: Path) -> dict[tuple[int, int], Path]:
    """Those in a run's folder, by epoch and iteration."""
    found = ((_PATTERN.fullmatch(path.name), path) for path in Path(folder).glob("*_i*.pth.tar"))
    return {(int(match["epoch"]), int(match["iteration"])): path for match, path in found if match}


@dataclass(frozen=True)
class PartialEpoch:
    """What the iterations of an unfinished epoch have left behind, beside networks, optimiser and
    statistics.
    """

    iteration: int  # done
    records: dict[str, Any]  # columns of the pseudo-labels found
    confidences: list[int]  # of the history's line
    seconds: dict[str, float]  # of the stopwatch
    nonfinite: int  # iterations in a row
    processes: list[dict[str, Any]]  # of each process: its generators, and what its loader met

    @classmethod
    def of(cls, trainer, iteration: int, found, watch) -> PartialEpoch:
        """The epoch that `trainer` is in, after `iteration`. All processes of a distributed run
        call it together.
        """
        records = found.take_records()
        loader = trainer.loader.faults
        own = {
            "generators": _generators(trainer.device),
            "samples": loader.samples,
            "count": loader.count,
            "files": sorted(loader.files),
        }
        return cls(
            iteration,
            {name: records[name].astype(_wide(records[name])) for name in RECORD.names},
            trainer.history.counts.tolist(),
            dict(watch.seconds),
            trainer.step.in_a_row,
            all_gather(own),
        )

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> PartialEpoch:
        """What `vars` of one became in a checkpoint."""
        return cls(**{field.name: plain[field.name] for field in fields(cls)})

    def restore(self, trainer, found, watch) -> None:
        """Put everything back, once the epoch's loader has begun.

        With another number of processes than before the generators go on as they are; the rest is
        the same.
        """
        records = np.empty(len(self.records["path"]), dtype=RECORD)
        for name in RECORD.names:
            records[name] = np.asarray(self.records[name])
        found.add_records(records)
        trainer.history.counts[:] = self.confidences
        trainer.step.in_a_row = self.nonfinite
        watch.seconds.update(self.seconds)
        parts = self.processes
        if len(parts) == get_world_size():
            parts = [parts[get_rank()]]
            _set_generators(parts[0]["generators"], trainer.device)
        elif get_rank():
            parts = []  # process 0 counts for all of before
        faults = trainer.loader.faults
        faults.samples, faults.count = (
            sum(part[name] for part in parts) for name in ("samples", "count")
        )
        faults.files = {file for part in parts for file in part["files"]}


def _wide(column: np.ndarray) -> type:
    """A type that checkpoints of every torch can hold."""
    return np.int64 if column.dtype.kind in "iu" else np.float32


def _generators(device: torch.device) -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), *rest],
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _set_generators(states: Mapping[str, Any], device: torch.device) -> None:
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["device"] is not None:
        torch.cuda.set_rng_state(states["device"], device)
