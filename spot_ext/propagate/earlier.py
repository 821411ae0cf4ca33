"""Finds what a new box leaves as it was: gaps between the same human boxes as before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.crossing import size_change
from spot_ext.propagate.fuse import Fused
from spot_ext.propagate.gaps import Gap, gaps_between

# The results of an earlier round in one video, by object id.
EarlierResults = Mapping[str, Fused]


def changed_gaps(target: ObjectTrack, earlier: Fused | None, frame_count: int) -> list[Gap]:
    """Return the gaps of `target` that have to be followed; without `earlier` results, all."""
    gaps = gaps_between(target.frame_ids.tolist(), frame_count)
    if earlier is None or len(earlier.confidences) != frame_count:
        return gaps
    # The human boxes that the earlier results were made of.
    key_ids = np.flatnonzero(earlier.human)
    earlier_target = ObjectTrack.drawn(target.object_id, key_ids, earlier.boxes_xywh[key_ids])
    earlier_gaps = set(gaps_between(key_ids.tolist(), frame_count))
    return [
        gap for gap in gaps if gap not in earlier_gaps or not _is_same(gap, target, earlier_target)
    ]


def _is_same(gap: Gap, target: ObjectTrack, earlier: ObjectTrack) -> bool:
    """Return whether all boxes that decide about a gap are the same in both tracks."""
    for frame_id in (gap.before, gap.after):
        if frame_id is not None:
            boxes = _box(target, frame_id), _box(earlier, frame_id)
            if not np.array_equal(*boxes, equal_nan=True):
                return False
    # At the ends of a video it depends on a second box.
    return size_change(target, gap) == size_change(earlier, gap)


def _box(track: ObjectTrack, frame_id: int) -> np.ndarray:
    return track.boxes_xywh[int(np.searchsorted(track.frame_ids, frame_id))]
