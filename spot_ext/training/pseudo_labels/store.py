"""The pseudo-label store: all boxes of all tracks so far, memory-mapped and versioned.

A folder holds an index (which tracks there are: names, lengths, key frames; written once) and one
file for each version. A version belongs to an epoch and lists the explored frames of all tracks one
after the other, with box and confidence: 22 bytes a frame, so 41,000 tracks start at 3 MB and 4.5
million explored frames take 100 MB. Loader workers map it and share its pages; the trainer collects
records in memory and writes the next version at the end of the epoch, with the checkpoint. Labels
keep the box they came with, pseudo-labels are kept to 0.1 px, confidences to 1e-4.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.array_file import open_arrays
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import SequenceTrack
from spot_ext.boxes.track import ObjectTrack
from spot_ext.training.pseudo_labels.index import IF_DAMAGED, TrackIndex, check_labels
from spot_ext.training.pseudo_labels.merge import FrameTable
from spot_ext.training.pseudo_labels.writer import (
    MAX_CONFIDENCE,
    UNITS,
    VERSION_FILE,
    StoreWriter,
    write_version,
)

INDEX_FILE = "index.safetensors"
_TABLE_COLUMNS = {field.name for field in fields(FrameTable)}


@dataclass(frozen=True, eq=False)
class MappedTrack:
    """A track in one version: an `ObjectTrack` whose arrays are the mapped file's, read-only.

    key_ids (k,) int32; frame_ids (n,) int32, all explored frames, labels included; boxes_xywh
    (n, 4) float32; confidence_units (n,) uint16 in 1e-4. Both lists of frames ascend.
    """

    length: int
    key_ids: np.ndarray
    frame_ids: np.ndarray
    boxes_xywh: np.ndarray
    confidence_units: np.ndarray

    @property
    def confidences(self) -> np.ndarray:
        """Confidences (n,) float64, multiples of 1e-4.

        They are 1.0 for labels; a machine's key frames carry their quality.
        """
        return self.confidence_units / UNITS

    @property
    def is_key_frame(self) -> np.ndarray:
        """(n,) bool: the explored frames that carry a label, which is never moved."""
        return np.isin(self.frame_ids, self.key_ids)

    def is_key(self, frame_id: int) -> bool:
        """Say whether a frame carries a label."""
        return _position(self.key_ids, frame_id) is not None

    def box_xywh(self, frame_id: int) -> np.ndarray:
        """Return the stored box (4,) of an explored frame."""
        position = _position(self.frame_ids, frame_id)
        if position is None:
            raise BadValue(
                f"frame {frame_id} has no stored box, it is not explored; take one of frame_ids"
            )
        return self.boxes_xywh[position]

    def copied(self, object_id: str) -> ObjectTrack:
        """Return the track in memory of its own; its key frames are those marked `human`."""
        return ObjectTrack(
            object_id,
            self.frame_ids.astype(np.int64),
            self.boxes_xywh.astype(np.float64),
            self.confidences,
            self.is_key_frame,
        )


@dataclass(frozen=True, eq=False)
class ExploredShare:
    """Share of frames explored, labels included: by track (P,), and over all frames of all."""

    per_track: np.ndarray
    total: float


class PseudoLabelStore:
    """A version of the store, open for reading; `writer()` makes the next one.

    Opening costs a header and a table of offsets. Pickling sends folder and epoch only: a worker
    maps the files itself.
    """

    def __init__(
        self, folder: str | os.PathLike, epoch: int | None = None, verify: bool = True
    ) -> None:
        self.folder = Path(folder)
        self.epoch = 0
        try:
            self._index = TrackIndex.open(self.folder / INDEX_FILE, verify)
        except FileNotFoundError:
            raise MissingFile(
                f"no pseudo-label store in '{self.folder}'; correct the folder, or start the run "
                "that makes it"
            ) from None
        self._open_version(epoch, verify)

    # -- creating and opening ----------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: str | os.PathLike, tracks: Sequence[SequenceTrack], replace: bool = False
    ) -> PseudoLabelStore:
        """Write a store that knows the labels only, as the version of epoch 0, and open it.

        A folder that already holds a store is an error unless `replace`, which removes that store
        first.
        """
        for item in tracks:
            check_labels(item)
        return cls._create(folder, tracks, 0, replace)

    @classmethod
    def open(
        cls, folder: str | os.PathLike, epoch: int | None = None, verify: bool = True
    ) -> PseudoLabelStore:
        """Open the version of `epoch`, by default the newest one.

        Resuming names the epoch of its checkpoint. `verify` reads the files once to compare
        checksums; sizes are compared in any case.
        """
        return cls(folder, epoch, verify)

    @classmethod
    def import_json(
        cls,
        folder: str | os.PathLike,
        file: str | os.PathLike,
        lengths: Mapping[str, int],
        epoch: int = 0,
        replace: bool = False,
    ) -> PseudoLabelStore:
        """Create a store out of the reference's sampler state.

        `lengths` has the number of frames of each sequence.
        """
        tracks = list(label_file.read_state(file))
        unknown = [item.sequence for item in tracks if item.sequence not in lengths]
        if unknown:
            raise BadValue(
                f"{file}: {len(unknown)} tracks are of sequences without a known length, e.g. "
                f"'{unknown[0]}'; add their data set"
            )
        tracks = [_with_length(item, lengths[item.sequence]) for item in tracks]
        return cls._create(folder, tracks, epoch, replace)

    @classmethod
    def _create(
        cls,
        folder: str | os.PathLike,
        tracks: Sequence[SequenceTrack],
        epoch: int,
        replace: bool,
    ) -> PseudoLabelStore:
        folder = Path(folder)
        if (folder / INDEX_FILE).exists() and not replace:
            raise BadValue(
                f"'{folder}' already holds a pseudo-label store; continue its run, or remove the "
                "folder"
            )
        index = TrackIndex.build(tracks)
        table = _table_of(tracks)
        (folder / INDEX_FILE).unlink(missing_ok=True)
        for version in _version_files(folder).values():
            version.unlink()
        write_version(folder, epoch, index.stamp, table)
        # The index comes last: a folder with an index holds a complete store.
        index.write(folder / INDEX_FILE)
        return cls(folder, epoch, verify=False)

    @classmethod
    def mend(cls, folder: str | os.PathLike, tracks: Sequence[SequenceTrack]) -> PseudoLabelStore:
        """Write anew what follows from the labels `tracks`: index and version of epoch 0; open it.

        The versions of later epochs, which belong to checkpoints, stay. BadValue where they were
        made for other labels.
        """
        folder = Path(folder)
        for item in tracks:
            check_labels(item)
        index = TrackIndex.build(tracks)
        stamps = _stamps(folder)
        other = [name for name, stamp in stamps.items() if stamp != index.stamp]
        if other:
            raise BadValue(
                f"'{folder}': {', '.join(other)} were made for other labels than this run's; use "
                "the label files and data sets the run began with, or start anew by removing the "
                "run's folder"
            )
        write_version(folder, 0, index.stamp, _table_of(tracks))
        index.write(folder / INDEX_FILE)
        return cls(folder, 0)

    def reopen(self, epoch: int | None = None) -> None:
        """Move to the version of another epoch, by default the newest.

        Workers that outlive an epoch call it.
        """
        self._open_version(epoch, verify=False)

    def require_labels(self, wanted: Sequence[tuple[tuple[str, int], Sequence[int]]]) -> None:
        """Raise BadValue, naming the first difference, unless the store was made for `wanted`.

        An entry of `wanted` is a track's `key_of` and its labelled frames.
        """
        difference = self._difference(wanted)
        if difference:
            raise BadValue(
                f"'{self.folder}' was made for other labels than this run's: {difference}; use "
                "the label files and data sets the run began with, or start anew by removing the "
                "run's folder"
            )

    def _difference(self, wanted: Sequence[tuple[tuple[str, int], Sequence[int]]]) -> str:
        if len(wanted) != len(self):
            return f"it has {len(self)} object tracks instead of {len(wanted)}"
        for index, (place, key_ids) in enumerate(wanted):
            own_place, own_ids = self.key_of(index), self._index.key_ids(index).tolist()
            if (own_place, own_ids) != (place, list(key_ids)):
                own = _track_text(own_place, own_ids)
                return f"its track number {index} is {own} instead of {_track_text(place, key_ids)}"
        return ""

    # -- reading -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self._index)

    def track(self, index: int) -> MappedTrack:
        """Return the explored frames of track `index` (0 .. len-1, in the order of `create`)."""
        rows = slice(self._offsets[index], self._offsets[index + 1])
        table = self._table
        return MappedTrack(
            int(self._index.lengths[index]),
            self._index.key_ids(index),
            table.frame_ids[rows],
            table.boxes_xywh[rows],
            table.confidence_units[rows],
        )

    def key_of(self, index: int) -> tuple[str, int]:
        """Return sequence key and number within the sequence of track `index`."""
        return self._index.key_of(index)

    def index_of(self, key: str, number: int = 0) -> int:
        """Return the index of a track by sequence key and number within the sequence."""
        index = self._index.index_of(key, number)
        if index is None:
            raise BadValue(
                f"'{self.folder}' knows no track {number} of sequence '{key}'; it was made for "
                "other labels"
            )
        return index

    def explored_share(self) -> ExploredShare:
        """Return how much of each track and of everything is explored."""
        counts, lengths = self._table.counts, self._index.lengths
        all_frames = max(1, lengths.sum(dtype=np.int64))
        return ExploredShare(counts / lengths, float(counts.sum() / all_frames))

    # -- versions ----------------------------------------------------------------------------------

    def writer(self) -> StoreWriter:
        """Start collecting pseudo-labels on top of this version."""
        return StoreWriter(self.folder, self._index, self._table)

    def epochs(self) -> list[int]:
        """Return the epochs that have a version, sorted."""
        return sorted(_version_files(self.folder))

    def keep(self, epochs: Collection[int]) -> list[int]:
        """Remove the versions of all other epochs, except the open one; return those removed."""
        removed = [epoch for epoch in self.epochs() if epoch not in epochs and epoch != self.epoch]
        for epoch in removed:
            (self.folder / VERSION_FILE.format(epoch)).unlink(missing_ok=True)
        return removed

    def export_json(self, file: str | os.PathLike) -> None:
        """Write the open version as the reference's sampler state."""
        label_file.write_state(self._tracks_by_sequence(), file)

    # -- inside ------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "epoch": self.epoch}

    def __setstate__(self, state: dict) -> None:
        self.__init__(state["folder"], state["epoch"], verify=False)  # type: ignore[misc]

    def _open_version(self, epoch: int | None, verify: bool) -> None:
        versions = _version_files(self.folder)
        epoch = max(versions, default=0) if epoch is None else epoch
        try:
            arrays, info = open_arrays(self.folder / VERSION_FILE.format(epoch), verify, IF_DAMAGED)
        except FileNotFoundError:
            have = ", ".join(map(str, sorted(versions))) or "none"
            raise MissingFile(
                f"'{self.folder}' has no pseudo-labels of epoch {epoch} (there are: {have}); "
                "resume from the checkpoint of one of these epochs"
            ) from None
        if set(arrays) != _TABLE_COLUMNS or "stamp" not in info:
            raise BadValue(
                f"'{self.folder}': the version of epoch {epoch} is damaged: a part of it has "
                f"another name; {IF_DAMAGED}"
            )
        if info["stamp"] != self._index.stamp:
            raise BadValue(
                f"'{self.folder}': the version of epoch {epoch} belongs to other labels than the "
                "index beside it; remove that version, or bring back the index it was written with"
            )
        self.epoch = int(epoch)
        self._table = FrameTable(**arrays)
        self._offsets = self._table.offsets()

    def _tracks_by_sequence(self) -> Iterator[SequenceTrack]:
        """Yield all tracks, those of a sequence together, sequences in the order they first come.

        A video's tracks may lie apart in the store when two data sets have it.
        """
        indices: dict[str, list[int]] = {}
        for index in range(len(self)):
            indices.setdefault(self.key_of(index)[0], []).append(index)
        for key, members in indices.items():
            for index in members:
                view = self.track(index)
                number = self.key_of(index)[1]
                yield SequenceTrack(key, number, view.copied(str(number + 1)), view.length)


def _table_of(tracks: Sequence[SequenceTrack]) -> FrameTable:
    """Return the table of a version that knows what `tracks` hold."""
    return FrameTable(
        np.array([len(item.track) for item in tracks], np.int32),
        _joined([item.track.frame_ids for item in tracks], np.int32),
        _joined([item.track.boxes_xywh for item in tracks], np.float32).reshape(-1, 4),
        _joined([_confidence_units(item) for item in tracks], np.uint16),
    )


def _stamps(folder: Path) -> dict[str, object]:
    """Return the stamp of each whole file of a store by its name."""
    stamps = {}
    for path in (folder / INDEX_FILE, *_version_files(folder).values()):
        with contextlib.suppress(BadValue, OSError):
            stamps[path.name] = open_arrays(path, verify=True)[1].get("stamp")
    return stamps


def _version_files(folder: Path) -> dict[int, Path]:
    """Return the version files by epoch."""
    found = {}
    for path in folder.glob("epoch_*"):
        match = re.fullmatch(r"epoch_(\d{4,})\.safetensors", path.name)
        if match:
            found[int(match[1])] = path
    return found


def _position(frame_ids: np.ndarray, frame_id: int) -> int | None:
    position = int(np.searchsorted(frame_ids, frame_id))
    return position if position < len(frame_ids) and frame_ids[position] == frame_id else None


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    columns: list[np.ndarray] = [np.asarray(array, dtype).ravel() for array in arrays]
    return np.concatenate([np.empty(0, dtype), *columns])


def _with_length(item: SequenceTrack, length: int) -> SequenceTrack:
    return replace(item, length=length)


def _confidence_units(item: SequenceTrack) -> np.ndarray:
    confidences = item.track.confidences
    if confidences.min() < 0 or confidences.max() > MAX_CONFIDENCE:
        raise BadValue(
            f"'{item.sequence}', track {item.number}: a confidence is not in [0, "
            f"{MAX_CONFIDENCE}]; correct it"
        )
    return np.round(confidences * UNITS)


def _track_text(place: tuple[str, int], key_ids: Sequence[int]) -> str:
    return f"'{place[0]}' track {place[1]}, labelled on {list(key_ids)}"
