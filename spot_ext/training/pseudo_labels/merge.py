"""Merging an epoch's pseudo-labels into the explored frames: the rules, on arrays, without
files.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from spot_ext.training.pseudo_labels.index import TrackIndex

RECORD = np.dtype(
    [("path", np.int32), ("frame", np.int32), ("box_xywh", np.float32, 4), ("units", np.uint16)]
)
RECORD_COLUMNS: tuple[str, ...] = tuple(RECORD.fields or ())


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Explored frames of all paths, path after path and sorted within.

    counts (P,) int32 frames of each path; frame_ids (N,) int32, boxes_xywh (N, 4) float32,
    confidence_units (N,) uint16 in 1e-4.
    """

    counts: np.ndarray
    frame_ids: np.ndarray
    boxes_xywh: np.ndarray
    confidence_units: np.ndarray

    def offsets(self) -> np.ndarray:
        """(P+1,) int64: path i holds the rows offsets[i] to offsets[i+1]."""
        return np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])


def best_of_each_frame(records: np.ndarray) -> np.ndarray:
    """The most confident record of each frame, sorted by path and frame; the result does not depend
    on their order.
    """
    x, y, w, h = records["box_xywh"].T
    order = np.lexsort((h, w, y, x, records["units"], records["frame"], records["path"]))
    records = records[order]
    following = (records["path"][1:] != records["path"][:-1]) | (
        records["frame"][1:] != records["frame"][:-1]
    )
    return records[np.append(following, True)] if len(records) else records


def reference_winners(records: np.ndarray, table: FrameTable, index: TrackIndex) -> np.ndarray:
    """The records that the reference would have in its state after the merge, one for each frame it
    changes.

    It goes through them in order, inserts unknown frames at once, and refuses to replace a frame
    when the *position* after it happens to be the id of a key frame. For comparing runs with it,
    not for training.
    """
    winners: dict[tuple[int, int], int] = {}
    offsets = table.offsets()
    for path in np.unique(records["path"]).tolist():
        part = slice(offsets[path], offsets[path + 1])
        ids, units = table.frame_ids[part].tolist(), table.confidence_units[part].tolist()
        keys = set(index.key_ids(path).tolist())
        for number in np.flatnonzero(records["path"] == path).tolist():
            frame, confidence = int(records["frame"][number]), int(records["units"][number])
            position = bisect_right(ids, frame)
            if position == 0 or ids[position - 1] != frame:
                ids.insert(position, frame)
                units.insert(position, confidence)
            elif position not in keys and confidence > units[position - 1]:
                units[position - 1] = confidence
            else:
                continue
            winners[path, frame] = number
    return records[[winners[place] for place in sorted(winners)]]


def merge(
    table: FrameTable, winners: np.ndarray, lengths: np.ndarray, protected: np.ndarray
) -> tuple[FrameTable, int, int]:
    """Return the table with `winners` (one record a frame, sorted by path and frame) merged in, and
    how many were new and how many replaced a box.

    Frames are known by their flat id: frames of all earlier paths + frame id; `protected` are the
    sorted flat ids that keep their box whatever the confidence. Costs one copy of the table and 8
    bytes a frame for a moment.
    """
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    flat_old = np.repeat(starts, table.counts) + table.frame_ids
    flat_new = starts[winners["path"]] + winners["frame"]
    place = np.searchsorted(flat_old, flat_new)
    known = _contains(flat_old, flat_new, place)
    better = known & ~_contains(protected, flat_new, np.searchsorted(protected, flat_new))
    better[better] = winners["units"][better] > table.confidence_units[place[better]]

    boxes, units = table.boxes_xywh.copy(), table.confidence_units.copy()
    boxes[place[better]], units[place[better]] = (
        winners["box_xywh"][better],
        winners["units"][better],
    )
    added = winners[~known]
    merged = FrameTable(
        table.counts + np.bincount(added["path"], minlength=len(lengths)).astype(np.int32),
        np.insert(table.frame_ids, place[~known], added["frame"]),
        np.insert(boxes, place[~known], added["box_xywh"], axis=0),
        np.insert(units, place[~known], added["units"]),
    )
    return merged, len(added), int(better.sum())


def _contains(values: np.ndarray, wanted: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return which of `wanted` are in the sorted `values`, given where they would be inserted."""
    inside = place < len(values)
    inside[inside] = values[place[inside]] == wanted[inside]
    return inside
