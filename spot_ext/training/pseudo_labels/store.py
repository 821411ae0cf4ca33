"""The pseudo-label store: what is known of every object path so far, memory-mapped and versioned
with the checkpoints.

A folder holds an index (which paths there are: names, lengths, key frames; written once) and one
file for each version. A version belongs to an epoch and lists the explored frames of all paths one
after the other, with box and confidence: 22 bytes a frame, so 41,000 paths start at 3 MB and 4.5
million explored frames take 100 MB. Loader workers map it and share its pages; the trainer collects
records in memory and writes the next version at the end of the epoch. Labels keep the box they came
with, pseudo-labels are kept to 0.1 px, confidences to 1e-4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.array_file import open_arrays
from spot_ext.boxes.formats import sampler_state
from spot_ext.boxes.formats.sampler_state import PathState
from spot_ext.training.pseudo_labels.index import IF_DAMAGED, PathEntry, PathIndex
from spot_ext.training.pseudo_labels.merge import FrameTable
from spot_ext.training.pseudo_labels.writer import (
    MAX_CONFIDENCE,
    UNITS,
    VERSION_FILE,
    CommitStats,
    StoreWriter,
    write_version,
)

__all__ = [
    "CommitStats",
    "ExploredShare",
    "PathEntry",
    "PathView",
    "PseudoLabelStore",
    "StoreWriter",
]

INDEX_FILE = "index.safetensors"


@dataclass(frozen=True, eq=False)
class PathView:
    """One object path in one version; read-only arrays over the mapped file, sorted by frame id.

    key_ids (k,) int32; explored_ids (n,) int32, labels included; boxes_xywh (n, 4) float32;
    confidence_units (n,) uint16 in 1e-4.
    """

    length: int
    key_ids: np.ndarray
    explored_ids: np.ndarray
    boxes_xywh: np.ndarray
    confidence_units: np.ndarray

    @property
    def confidences(self) -> np.ndarray:
        """Confidences (n,) float64, multiples of 1e-4; 1.0 for labels, for a machine's key frames
        their quality.
        """
        return self.confidence_units / UNITS

    def is_key(self, frame_id: int) -> bool:
        """Whether the frame carries a label."""
        return _position(self.key_ids, frame_id) is not None

    def box_xywh(self, frame_id: int) -> np.ndarray:
        """The stored box (4,) of an explored frame."""
        position = _position(self.explored_ids, frame_id)
        if position is None:
            raise BadValue(
                f"frame {frame_id} has no stored box, it is not explored; take one of explored_ids"
            )
        return self.boxes_xywh[position]


@dataclass(frozen=True, eq=False)
class ExploredShare:
    """Share of frames explored, labels included: `per_path` (P,) and over all frames of all
    paths.
    """

    per_path: np.ndarray
    total: float


class PseudoLabelStore:
    """One version of the store, open for reading; `writer()` makes the next one.

    Opening costs a header and a table of offsets. Pickling sends folder and epoch only: a worker
    maps the files itself.
    """

    def __init__(
        self, folder: str | os.PathLike, epoch: int | None = None, verify: bool = True
    ) -> None:
        self.folder = Path(folder)
        try:
            self._index = PathIndex.open(self.folder / INDEX_FILE, verify)
        except FileNotFoundError:
            raise MissingFile(
                f"no pseudo-label store in '{self.folder}'; correct the folder, or start the run "
                "that"
                " makes it"
            ) from None
        self._open_version(epoch, verify)

    # -- creating and opening ------------------------------------------------------------------------------------------  # noqa: E501

    @classmethod
    def create(
        cls, folder: str | os.PathLike, paths: Sequence[PathEntry], replace: bool = False
    ) -> PseudoLabelStore:
        """Write a store that knows the labels only, as the version of epoch 0, and open it.

        A folder that already holds a store is an error unless `replace`, which removes that store
        first.
        """
        return cls._create(
            folder,
            [entry.as_state() for entry in paths],
            [entry.length for entry in paths],
            0,
            replace,
        )

    @classmethod
    def open(
        cls, folder: str | os.PathLike, epoch: int | None = None, verify: bool = True
    ) -> PseudoLabelStore:
        """Open the version of `epoch`, by default the newest one; resuming names the epoch of its
        checkpoint.

        `verify` reads the files once to compare checksums; sizes are compared in any case.
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
        """Create a store out of the reference's sampler state; `lengths` has the number of frames
        of each sequence.
        """
        states = list(sampler_state.read(file))
        unknown = [state.key for state in states if state.key not in lengths]
        if unknown:
            raise BadValue(
                f"{file}: {len(unknown)} paths are of sequences without a known length, e.g. "
                f"'{unknown[0]}';"
                " add their data set"
            )
        return cls._create(folder, states, [lengths[state.key] for state in states], epoch, replace)

    @classmethod
    def _create(
        cls,
        folder: str | os.PathLike,
        states: Sequence[PathState],
        lengths: Sequence[int],
        epoch: int,
        replace: bool,
    ) -> PseudoLabelStore:
        folder = Path(folder)
        if (folder / INDEX_FILE).exists() and not replace:
            raise BadValue(
                f"'{folder}' already holds a pseudo-label store; continue its run, or remove the "
                "folder"
            )
        index = PathIndex.build(states, lengths)
        table = FrameTable(
            np.array([len(state.explored_ids) for state in states], np.int32),
            _joined([state.explored_ids for state in states], np.int32),
            _joined([state.boxes_xywh for state in states], np.float32).reshape(-1, 4),
            _joined([_units(state) for state in states], np.uint16),
        )
        (folder / INDEX_FILE).unlink(missing_ok=True)
        for version in _versions(folder).values():
            version.unlink()
        write_version(folder, epoch, index.stamp, table)
        index.write(folder / INDEX_FILE)  # last: a folder with an index holds a complete store
        return cls(folder, epoch, verify=False)

    def reopen(self, epoch: int | None = None) -> None:
        """Move to the version of another epoch (by default the newest), for workers that outlive an
        epoch.
        """
        self._open_version(epoch, verify=False)

    def require_labels(self, wanted: Sequence[tuple[tuple[str, int], Sequence[int]]]) -> None:
        """Raise BadValue, naming the first difference, unless the store's paths are `wanted`:
        key_of, labelled frames.
        """
        if len(wanted) != len(self):
            difference = f"it has {len(self)} object paths instead of {len(wanted)}"
        else:
            held = ((self.key_of(i), self._index.key_ids(i).tolist()) for i in range(len(self)))
            pairs = enumerate(zip(held, ((place, list(ids)) for place, ids in wanted), strict=True))
            difference = next(
                (
                    f"its path number {i} is {_path_text(*mine)} instead of {_path_text(*other)}"
                    for i, (mine, other) in pairs
                    if mine != other
                ),
                None,
            )
        if difference:
            raise BadValue(
                f"'{self.folder}' was made for other labels than this run's: {difference}; use "
                "the label files and"
                " data sets the run began with, or start anew by removing the run's folder"
            )

    # -- reading -------------------------------------------------------------------------------------------------------  # noqa: E501

    def __len__(self) -> int:
        """Number of object paths."""
        return len(self._index)

    def path(self, index: int) -> PathView:
        """The explored frames of path `index` (0 .. len-1, in the order given to `create`)."""
        part = slice(self._offsets[index], self._offsets[index + 1])
        table = self._table
        return PathView(
            int(self._index.lengths[index]),
            self._index.key_ids(index),
            table.frame_ids[part],
            table.boxes_xywh[part],
            table.confidence_units[part],
        )

    def key_of(self, index: int) -> tuple[str, int]:
        """Sequence key and path number of path `index`."""
        return self._index.key_of(index)

    def index_of(self, key: str, path: int = 0) -> int:
        """Index of a path by sequence key and path number."""
        index = self._index.index_of(key, path)
        if index is None:
            raise BadValue(
                f"'{self.folder}' knows no path {path} of sequence '{key}'; it was made for other "
                "labels"
            )
        return index

    def explored_share(self) -> ExploredShare:
        """How much of each path and of everything is explored."""
        counts, lengths = self._table.counts, self._index.lengths
        return ExploredShare(
            counts / lengths, float(counts.sum() / max(1, lengths.sum(dtype=np.int64)))
        )

    # -- versions ------------------------------------------------------------------------------------------------------  # noqa: E501

    def writer(self) -> StoreWriter:
        """Collect pseudo-labels on top of this version."""
        return StoreWriter(self.folder, self._index, self._table)

    def epochs(self) -> list[int]:
        """The epochs that have a version, sorted."""
        return sorted(_versions(self.folder))

    def keep(self, epochs: Collection[int]) -> list[int]:
        """Remove the versions of all other epochs, except the open one; returns the epochs
        removed.
        """
        gone = [epoch for epoch in self.epochs() if epoch not in epochs and epoch != self.epoch]
        for epoch in gone:
            (self.folder / VERSION_FILE.format(epoch)).unlink(missing_ok=True)
        return gone

    def export_json(self, file: str | os.PathLike) -> None:
        """Write the open version as the reference's sampler state."""
        sampler_state.write(self._states(), file)

    # -- inside --------------------------------------------------------------------------------------------------------  # noqa: E501

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "epoch": self.epoch}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(state["folder"], state["epoch"], verify=False)

    def _open_version(self, epoch: int | None, verify: bool) -> None:
        versions = _versions(self.folder)
        epoch = max(versions, default=0) if epoch is None else epoch
        try:
            arrays, info = open_arrays(self.folder / VERSION_FILE.format(epoch), verify, IF_DAMAGED)
        except FileNotFoundError:
            have = ", ".join(map(str, sorted(versions))) or "none"
            raise MissingFile(
                f"'{self.folder}' has no pseudo-labels of epoch {epoch} (there are: {have}); "
                "resume from"
                " the checkpoint of one of these epochs"
            ) from None
        if info["stamp"] != self._index.stamp:
            raise BadValue(
                f"'{self.folder}': the version of epoch {epoch} belongs to other labels than the "
                "index"
                " beside it; remove that version, or bring back the index it was written with"
            )
        self.epoch = int(epoch)
        self._table = FrameTable(**arrays)
        self._offsets = self._table.offsets()

    def _states(self) -> Iterator[PathState]:
        seen: dict[
            str, int
        ] = {}  # a video's paths may lie apart; the file has them together, in the order of its videos  # noqa: E501
        for index in sorted(
            range(len(self)),
            key=lambda index: (seen.setdefault(self.key_of(index)[0], index), index),
        ):
            view = self.path(index)
            yield PathState(
                *self.key_of(index),
                view.key_ids,
                view.explored_ids,
                view.boxes_xywh,
                view.confidences,
            )


def _versions(folder: Path) -> dict[int, Path]:
    """Version files by epoch."""
    found = (
        (re.fullmatch(r"epoch_(\d{4,})\.safetensors", path.name), path)
        for path in folder.glob("epoch_*")
    )
    return {int(match[1]): path for match, path in found if match}


def _position(frame_ids: np.ndarray, frame_id: int) -> int | None:
    position = int(np.searchsorted(frame_ids, frame_id))
    return position if position < len(frame_ids) and frame_ids[position] == frame_id else None


def _joined(arrays: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(
        [np.empty(0, dtype), *(np.asarray(array, dtype).ravel() for array in arrays)]
    )


def _units(state: PathState) -> np.ndarray:
    if state.confidences.min() < 0 or state.confidences.max() > MAX_CONFIDENCE:
        raise BadValue(
            f"'{state.key}', path {state.path}: a confidence is not in [0, {MAX_CONFIDENCE}]; "
            "correct it"
        )
    return np.round(state.confidences * UNITS)


def _path_text(place: tuple[str, int], key_ids: list[int]) -> str:
    return f"'{place[0]}' path {place[1]}, labelled on {key_ids}"
