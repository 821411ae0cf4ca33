"""Names the frames of propagated videos that are worth a look, most doubtful first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from spot_ext.boxes.frame_request import FrameRequest
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate.fuse import Fused

REVIEW_FILE = "review.csv"

# Share of all frames that is listed in any case.
LEAST_SHARE = 0.1
# Confidence below which a frame is listed in any case.
DOUBTFUL_BELOW = 0.5
# Overlap of the two walks below which they are said to disagree.
AGREE_FROM = 0.5


def frames_to_review(
    results: Iterable[tuple[VideoBoxes, Sequence[Fused]]],
) -> list[FrameRequest]:
    """Return the doubtful frames of all videos; the score is the doubt, 1 - confidence.

    They are the frames with a confidence below `DOUBTFUL_BELOW` and, in any case, the most doubtful
    tenth. Frames that a person labelled are left out.
    """
    found = [
        (video.video, item.object_id, fused)
        for video, objects in results
        for item, fused in zip(video.objects, objects, strict=True)
    ]
    if not found:
        return []
    unlabelled = [np.flatnonzero(~fused.human) for _, _, fused in found]
    track_numbers = np.repeat(np.arange(len(found)), [len(rows) for rows in unlabelled])
    frame_ids = np.concatenate(unlabelled)
    confidences = np.concatenate(
        [fused.confidences[rows] for (_, _, fused), rows in zip(found, unlabelled, strict=True)]
    )

    # Equal confidences: the order of videos and frames decides, the same on every machine.
    order = np.argsort(confidences, kind="stable")
    least = int(np.ceil(LEAST_SHARE * len(order)))
    doubtful = int((confidences < DOUBTFUL_BELOW).sum())
    requests = []
    for place in order[: max(least, doubtful)].tolist():
        video, object_id, fused = found[track_numbers[place]]
        frame_id = int(frame_ids[place])
        doubt = 1 - float(confidences[place])
        reason = reason_for_doubt(fused, frame_id)
        requests.append(FrameRequest(video, object_id, frame_id, doubt, reason))
    return requests


def reason_for_doubt(fused: Fused, frame_id: int) -> str:
    """Return why a frame is doubtful, as a phrase."""
    if fused.without_box[frame_id]:
        return "no box: the target seems to be absent or was lost"
    agreement = fused.agreements[frame_id]
    key_ids = np.flatnonzero(fused.human)
    distance = int(np.abs(key_ids - frame_id).min())
    if np.isnan(agreement):
        side = "from only one"
        if frame_id < key_ids[0]:
            side = "before the first"
        elif frame_id > key_ids[-1]:
            side = "after the last"
        return f"tracked {side} labelled frame, {distance} frames away"
    if agreement < AGREE_FROM:
        return f"forward and backward tracking disagree (overlap {agreement:.2f})"
    return f"the tracker is not sure, {distance} frames from a labelled frame"
