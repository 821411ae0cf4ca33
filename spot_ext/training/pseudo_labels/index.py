"""What of the pseudo-label store never changes: which object paths there are, how long, and where
they are labelled.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.array_file import open_arrays, write_arrays
from spot_ext.boxes.formats.sampler_state import PathState

IF_DAMAGED = "remove it and continue from an older checkpoint"  # what to do about a store's file


@dataclass(frozen=True, eq=False)
class PathEntry:
    """One object path as the store is created.

    Sequence key, path number within the sequence, frames of the video, labelled frame ids (sorted),
    their boxes (n, 4) and their confidence, 1 unless a machine drew them.
    """

    key: str
    path: int
    length: int
    key_ids: Sequence[int]
    key_boxes_xywh: np.ndarray
    confidence: float = 1.0

    def as_state(self) -> PathState:
        """The path with its labels explored and nothing else, checked."""
        ids, boxes = np.asarray(self.key_ids), np.asarray(self.key_boxes_xywh, dtype=np.float32)
        where = f"'{self.key}', path {self.path}"
        if (
            ids.ndim != 1
            or not len(ids)
            or ids.dtype.kind not in "iu"
            or (np.diff(ids.astype(np.int64)) <= 0).any()
        ):
            raise BadValue(
                f"{where}: labelled frames {ids.tolist()} must be sorted whole numbers, at least "
                "one;"
                " correct them"
            )
        if (
            boxes.shape != (len(ids), 4)
            or not np.isfinite(boxes).all()
            or not (boxes[:, 2:] > 0).all()
        ):
            raise BadValue(
                f"{where}: the labels on frames {ids.tolist()} must be one finite box [x, y, w, "
                "h] each, of"
                f" width and height above 0, not {boxes.tolist()}; correct them or choose other "
                "key frames"
            )
        return PathState(
            self.key, self.path, ids, ids, boxes, np.full(len(ids), float(self.confidence))
        )


class PathIndex:
    """Names, lengths (P,) and key frames of all paths, in the order they were given.

    Held as a few flat arrays, not as objects, so that every loader worker can map them instead of
    copying them.
    """

    def __init__(self, arrays: dict[str, np.ndarray], stamp: str) -> None:
        self._arrays = arrays
        self.stamp = stamp
        self.lengths = arrays["lengths"]
        self._by_key: dict[tuple[str, int], int] = {}

    @classmethod
    def build(cls, states: Sequence[PathState], lengths: Sequence[int]) -> PathIndex:
        """Index `states`; `stamp` becomes a fingerprint of all that is in it."""
        seen, length_of = set(), {}
        for state, length in zip(states, lengths, strict=True):
            first, last = state.explored_ids[0], state.explored_ids[-1]
            if first < 0 or last >= length:
                raise BadValue(
                    f"'{state.key}', path {state.path}: frames {first} to {last} do not fit into "
                    "its"
                    f" {length} frames; the labels are for another version of the video"
                )
            if (state.key, state.path) in seen:
                raise BadValue(
                    f"'{state.key}', path {state.path} is given twice; use each data set once"
                )
            seen.add((state.key, state.path))
            if length_of.setdefault(state.key, length) != length:
                raise BadValue(
                    f"'{state.key}' is the name of a video of {length_of[state.key]} frames and "
                    f"of one of {length};"
                    " give each video a name of its own"
                )
        names = [state.key.encode() for state in states]
        arrays = {
            "lengths": np.array(lengths, np.int32),
            "path_numbers": np.array([state.path for state in states], np.int32),
            "key_offsets": np.cumsum(
                [0, *(len(state.key_ids) for state in states)], dtype=np.int64
            ),
            "key_ids": np.concatenate(
                [np.empty(0, np.int32), *(state.key_ids for state in states)]
            ).astype(np.int32),
            "name_offsets": np.cumsum([0, *map(len, names)], dtype=np.int64),
            "names": np.frombuffer(b"".join(names), np.uint8),
        }
        return cls(
            arrays, f"{zlib.crc32(b''.join(array.tobytes() for array in arrays.values())):08x}"
        )

    @classmethod
    def open(cls, file: str | os.PathLike, verify: bool) -> PathIndex:
        """Map an index file; FileNotFoundError when absent, BadValue when damaged."""
        arrays, info = open_arrays(file, verify, IF_DAMAGED)
        return cls(arrays, info["stamp"])

    def write(self, file: str | os.PathLike) -> None:
        """Write the index in one step."""
        write_arrays(file, self._arrays, {"stamp": self.stamp})

    def __len__(self) -> int:
        return len(self.lengths)

    def key_of(self, index: int) -> tuple[str, int]:
        """Sequence key and path number of path `index`."""
        start, end = self._arrays["name_offsets"][index : index + 2]
        return self._arrays["names"][start:end].tobytes().decode(), int(
            self._arrays["path_numbers"][index]
        )

    def index_of(self, key: str, path: int) -> int | None:
        """The index of a path, None if unknown. The first call builds a table of all names, some 5
        MB at full scale.
        """
        if not self._by_key:
            self._by_key = {self.key_of(index): index for index in range(len(self))}
        return self._by_key.get((key, path))

    def key_ids(self, index: int) -> np.ndarray:
        """Labelled frame ids of path `index`, sorted."""
        offsets = self._arrays["key_offsets"]
        return self._arrays["key_ids"][offsets[index] : offsets[index + 1]]

    def flat_key_ids(self) -> np.ndarray:
        """Labelled frames of all paths, counted through: frames of all earlier paths + frame id;
        sorted int64.
        """
        starts = np.cumsum(self.lengths, dtype=np.int64) - self.lengths
        return self._arrays["key_ids"] + np.repeat(starts, np.diff(self._arrays["key_offsets"]))
