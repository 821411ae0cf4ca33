"""The unchanging part of the pseudo-label store: its tracks, their lengths and key frames."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.array_file import open_arrays, write_arrays
from spot_ext.boxes.checks import is_box
from spot_ext.boxes.labels import SequenceTrack

# The remedy that ends a sentence about a damaged file of the store.
IF_DAMAGED = (
    "start the training again: it writes anew what follows from the labels, or goes back one "
    "checkpoint"
)
_COLUMNS = {"lengths", "path_numbers", "key_offsets", "key_ids", "name_offsets", "names"}


def check_labels(item: SequenceTrack) -> None:
    """Raise BadValue unless a track has labels, each a box in the 32 bits that the store keeps."""
    where = f"'{item.sequence}', track {item.number}"
    ids = item.key_ids.tolist()
    if not ids:
        raise BadValue(f"{where}: it has no labelled frame; label one, or leave the track out")
    boxes = item.track.boxes_xywh[item.track.human].astype(np.float32)
    if not is_box(boxes).all():
        raise BadValue(
            f"{where}: the labels on frames {ids} must be one finite box [x, y, w, h] each, of "
            f"width and height above 0, not {boxes.tolist()}; correct them or choose other key "
            "frames"
        )


class TrackIndex:
    """Names, lengths (P,) and key frames of all tracks, in the order they were given.

    Held as a few flat arrays, not as objects, so that every loader worker can map them instead of
    copying them.
    """

    def __init__(self, arrays: dict[str, np.ndarray], stamp: str) -> None:
        self._arrays = arrays
        self.stamp = stamp
        self.lengths = arrays["lengths"]
        self._by_key: dict[tuple[str, int], int] = {}

    @classmethod
    def build(cls, tracks: Sequence[SequenceTrack]) -> TrackIndex:
        """Index `tracks`, whose lengths are known; `stamp` becomes a fingerprint of it all."""
        _check_places(tracks)
        names = [item.sequence.encode() for item in tracks]
        key_counts = [len(item.key_ids) for item in tracks]
        key_ids = [np.empty(0, np.int32), *(item.key_ids for item in tracks)]
        arrays: dict[str, np.ndarray] = {
            "lengths": np.array([item.length for item in tracks], np.int32),
            "path_numbers": np.array([item.number for item in tracks], np.int32),
            "key_offsets": np.cumsum([0, *key_counts], dtype=np.int64),
            "key_ids": np.concatenate(key_ids).astype(np.int32),
            "name_offsets": np.cumsum([0, *map(len, names)], dtype=np.int64),
            "names": np.frombuffer(b"".join(names), np.uint8),
        }
        content = b"".join(array.tobytes() for array in arrays.values())
        return cls(arrays, f"{zlib.crc32(content):08x}")

    @classmethod
    def open(cls, file: str | os.PathLike, verify: bool) -> TrackIndex:
        """Map an index file; FileNotFoundError when absent, BadValue when damaged."""
        arrays, info = open_arrays(file, verify, IF_DAMAGED)
        if not set(arrays) >= _COLUMNS or not isinstance(info.get("stamp"), str):
            raise BadValue(f"'{file}' is damaged: a part of it has another name; {IF_DAMAGED}")
        return cls(arrays, info["stamp"])

    def write(self, file: str | os.PathLike) -> None:
        """Write the index in one step."""
        write_arrays(file, self._arrays, {"stamp": self.stamp})

    def __len__(self) -> int:
        return len(self.lengths)

    def key_of(self, index: int) -> tuple[str, int]:
        """Return sequence key and number within the sequence of track `index`."""
        start, end = self._arrays["name_offsets"][index : index + 2]
        name = self._arrays["names"][start:end].tobytes().decode()
        return name, int(self._arrays["path_numbers"][index])

    def index_of(self, key: str, number: int) -> int | None:
        """Return the index of a track, None if unknown.

        The first call builds a table of all names, some 5 MB at full scale.
        """
        if not self._by_key:
            self._by_key = {self.key_of(index): index for index in range(len(self))}
        return self._by_key.get((key, number))

    def key_ids(self, index: int) -> np.ndarray:
        """Return the labelled frame ids of track `index`, sorted."""
        offsets = self._arrays["key_offsets"]
        return self._arrays["key_ids"][offsets[index] : offsets[index + 1]]

    def flat_key_ids(self) -> np.ndarray:
        """Return the labelled frames of all tracks, counted through, as sorted int64.

        A frame counts as the frames of all earlier tracks plus its frame id.
        """
        starts = np.cumsum(self.lengths, dtype=np.int64) - self.lengths
        return self._arrays["key_ids"] + np.repeat(starts, np.diff(self._arrays["key_offsets"]))


def _check_places(tracks: Sequence[SequenceTrack]) -> None:
    """Raise BadValue for labels beyond their video, a track given twice, two videos of one name."""
    seen: set[tuple[str, int]] = set()
    length_of: dict[str, int | None] = {}
    for item in tracks:
        first, last = item.track.frame_ids[0], item.track.frame_ids[-1]
        if item.length is None or first < 0 or last >= item.length:
            raise BadValue(
                f"'{item.sequence}', track {item.number}: frames {first} to {last} do not fit into "
                f"its {item.length} frames; the labels are for another version of the video"
            )
        if (item.sequence, item.number) in seen:
            raise BadValue(
                f"'{item.sequence}', track {item.number} is given twice; use each data set once"
            )
        seen.add((item.sequence, item.number))
        known_length = length_of.setdefault(item.sequence, item.length)
        if known_length != item.length:
            raise BadValue(
                f"'{item.sequence}' is the name of a video of {known_length} frames and of one of "
                f"{item.length}; give each video a name of its own"
            )
