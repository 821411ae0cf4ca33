"""Which frames are worth a look, most doubtful first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.io.files import atomic_write
from spot_ext.boxes.formats.csv_table import FILE_NAME as BOXES_FILE
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate.fusion import Fused

REVIEW_FILE, COLUMNS = "review.csv", ("video", "object", "frame", "confidence", "reason")
LEAST_SHARE, DOUBTFUL = (
    0.1,
    0.5,
)  # of all frames, and the confidence below which a frame is listed in any case

__all__ = ["BOXES_FILE", "REVIEW_FILE", "Doubt", "doubts", "write_review"]


@dataclass(frozen=True)
class Doubt:
    """A frame worth a look."""

    video: str
    object_id: str
    frame_id: int
    confidence: float
    reason: str


def doubts(found: Iterable[tuple[VideoBoxes, Sequence[Fused]]]) -> list[Doubt]:
    """The doubtful frames of all videos: those below `DOUBTFUL` and, in any case, the most doubtful
    tenth.

    Frames that a person labelled are left out.
    """
    entries: list[tuple[VideoBoxes, int]] = []
    results: list[Fused] = []
    places, confidences = [], []
    for video, fused in found:
        for number, one in enumerate(fused):
            rows = np.flatnonzero(~one.human)
            places.append(np.stack([np.full(len(rows), len(results)), rows], 1))
            confidences.append(one.confidences[rows])
            entries.append((video, number))
            results.append(one)
    if not places:
        return []
    place, confidence = np.concatenate(places), np.concatenate(confidences)
    order = np.argsort(confidence, kind="stable")
    order = order[: max(int(np.ceil(LEAST_SHARE * len(order))), int((confidence < DOUBTFUL).sum()))]
    listed = []
    for result, frame_id in place[order].tolist():
        video, number = entries[result]
        one = results[result]
        listed.append(
            Doubt(
                video.video,
                video.objects[number].object_id,
                frame_id,
                float(one.confidences[frame_id]),
                _reason(one, frame_id),
            )
        )
    return listed


def _reason(one: Fused, frame_id: int) -> str:
    if np.isnan(one.boxes_xywh[frame_id]).any():
        return "no box: the target seems to be absent or was lost"
    agreement = one.agreements[frame_id]
    keys = np.flatnonzero(one.human)
    distance = int(np.abs(keys - frame_id).min())
    if np.isnan(agreement):
        side = (
            "before the first"
            if frame_id < keys[0]
            else "after the last"
            if frame_id > keys[-1]
            else "from only one"
        )
        return f"tracked {side} labelled frame, {distance} frames away"
    if agreement < 0.5:
        return f"forward and backward tracking disagree (overlap {agreement:.2f})"
    return f"the tracker is not sure, {distance} frames from a labelled frame"


def write_review(path: Path, listed: Sequence[Doubt]) -> None:
    """Write them as CSV."""
    import csv

    with (
        atomic_write(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(
            [doubt.video, doubt.object_id, doubt.frame_id, f"{doubt.confidence:.4f}", doubt.reason]
            for doubt in listed
        )
