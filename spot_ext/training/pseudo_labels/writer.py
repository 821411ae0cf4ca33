"""Collecting the pseudo-labels of an epoch, and writing the store's next version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.array_file import write_arrays
from spot_ext.training.pseudo_labels.index import TrackIndex
from spot_ext.training.pseudo_labels.merge import (
    RECORD,
    RECORD_COLUMNS,
    FrameTable,
    best_of_each_frame,
    merge,
    reference_winners,
)

VERSION_FILE = "epoch_{:04d}.safetensors"
UNITS = 10_000  # confidences are kept as whole multiples of 1e-4, in 16 bits
MAX_CONFIDENCE = np.iinfo(np.uint16).max / UNITS


def write_version(folder: Path, epoch: int, stamp: str, table: FrameTable) -> None:
    """Write `table` as the version of `epoch` in one step; `stamp` is that of the index it belongs
    to.
    """
    write_arrays(folder / VERSION_FILE.format(epoch), vars(table), {"stamp": stamp, "epoch": epoch})


@dataclass(frozen=True)
class CommitStats:
    """Counts of what became of an epoch's pseudo-labels.

    Frames `new` to the store, `replaced` by a more confident box, `refused` (a label; not more
    confident than the stored box or than another record of the epoch), `invalid` (not a real box).
    """

    epoch: int
    new: int
    replaced: int
    refused: int
    invalid: int


class StoreWriter:
    """Collects an epoch's pseudo-labels in memory and merges them into the version it was made
    from.

    It stays valid when that store moves on to another version.
    """

    def __init__(self, folder: Path, index: TrackIndex, table: FrameTable) -> None:
        self.folder = folder
        self._index, self._table = index, table
        self._received: list[np.ndarray] = []  # each of dtype RECORD; before the pending ones
        self._pending: list[tuple[int, int, Sequence[float], int]] = []
        self._invalid = 0

    def record(
        self, path_index: int, frame_id: int, box_xywh: Sequence[float], confidence: float
    ) -> bool:
        """Collect a pseudo-label for the next `commit`. The box is kept to 0.1 px, the confidence
        to 1e-4.

        Returns False, and counts it as invalid, when the box has no area at that precision or a
        number is not finite.
        """
        if (
            not 0 <= path_index < len(self._index)
            or not 0 <= frame_id < self._index.lengths[path_index]
        ):
            raise BadValue(
                f"'{self.folder}': no frame {frame_id} in path {path_index} of "
                f"{len(self._index)}; record"
                " what was drawn from this store"
            )
        box = tuple(float(value) for value in box_xywh)
        if all(map(math.isfinite, (*box, confidence))) and 0 <= confidence <= MAX_CONFIDENCE:
            x, y, w, h = (round(value, 1) for value in box)
            if w > 0 and h > 0:
                self._pending.append(
                    (path_index, frame_id, (x, y, w, h), round(float(confidence) * UNITS))
                )
                return True
        self._invalid += 1
        return False

    def state_dict(self) -> dict[str, np.ndarray]:
        """Remove what was recorded since the last commit and return its columns, in types that
        checkpoints of every torch can hold.
        """
        records = self.take_records()
        return {name: records[name].astype(_wide(records[name])) for name in RECORD_COLUMNS}

    def load_state_dict(self, columns: Mapping[str, Any]) -> None:
        """Add what `state_dict` returned."""
        records = np.empty(len(columns["path"]), dtype=RECORD)
        for name in RECORD_COLUMNS:
            records[name] = np.asarray(columns[name])
        self.add_records(records)

    def take_records(self) -> np.ndarray:
        """Remove and return what was recorded since the last commit (dtype RECORD), to send it to
        another process.
        """
        records = self._records()
        self._received, self._pending = [], []
        return records

    def add_records(self, records: np.ndarray) -> None:
        """Add what another process recorded for the same store."""
        self._received, self._pending = [self._records(), np.asarray(records, dtype=RECORD)], []

    def commit(self, epoch: int, reference_key_guard: bool = False) -> CommitStats:
        """Merge the records, write the result as the version of `epoch`, and go on from there.

        A frame that was not explored is inserted; an explored one is replaced iff the new
        confidence is strictly higher; a key frame never is. Of several records of a frame the most
        confident counts, in whatever order they came (of equally confident ones the box that is
        greater as a tuple). The file is written beside its place, flushed and renamed: a crash
        leaves the versions there were. `reference_key_guard` merges as the reference does, in the
        order of recording and with its guard that confuses positions and frame ids.
        """
        records = self._records()
        if reference_key_guard:
            winners, protected = (
                reference_winners(records, self._table, self._index),
                np.empty(0, np.int64),
            )
        else:
            winners, protected = best_of_each_frame(records), self._index.flat_key_ids()
        table, new, replaced = merge(self._table, winners, self._index.lengths, protected)
        write_version(self.folder, epoch, self._index.stamp, table)
        stats = CommitStats(epoch, new, replaced, len(records) - new - replaced, self._invalid)
        self._table, self._received, self._pending, self._invalid = table, [], [], 0
        return stats

    def _records(self) -> np.ndarray:
        return np.concatenate([*self._received, np.array(self._pending, dtype=RECORD)])


def _wide(column: np.ndarray) -> type:
    return np.int64 if column.dtype.kind in "iu" else np.float32
