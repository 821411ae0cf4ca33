"""Tracks every object of a video from its key frames forwards and backwards, each frame decoded
once per direction.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadValue
from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.boxes import apply_box_delta, box_delta
from spot_ext.propagate.frames import Frames, ascending, descending

SMALL_SHARE = 0.1  # of the farther template: below this it is not asked, which saves the pass


@dataclass(frozen=True)
class Walk:
    """What one direction found of one object in N frames; NaN where it did not look. Key frames
    hold the arrival: where the walk from the key frame before would have put the target.
    """

    boxes_xywh: np.ndarray  # (N, 4) frame pixels
    ious: np.ndarray  # (N,) predicted IoU
    scores: np.ndarray  # (N,) probability that the box shows the target

    @classmethod
    def empty(cls, count: int) -> Walk:
        return cls(np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan))

    def part(self, rows: slice) -> Walk:
        """The walk through some of the frames."""
        return Walk(self.boxes_xywh[rows], self.ious[rows], self.scores[rows])

    def note(self, row: int, output: dict[str, Any]) -> None:
        """Keep what a tracker returned."""
        score = output.get("target_score", output["best_score"])
        self.boxes_xywh[row] = output["target_bbox"]
        self.ious[row], self.scores[row] = output.get("pred_iou", score), score


@dataclass(frozen=True)
class Start:
    """A key frame to track from."""

    tracker: Any  # as it was initialised there; the network in it is everyone's
    template: torch.Tensor
    correction: np.ndarray  # (4,) what the network's box lacks to the human one, see `box_delta`


class TwoTemplates:
    """A tracker's network that looks for up to two templates of the same target and mixes what it
    says, cell by cell.

    `share` of the answer is the other template's. Between two key frames both are right, each the
    more the nearer it is.
    """

    def __init__(self, net, own: torch.Tensor, other: torch.Tensor | None):
        self.inner, self.own, self.other, self.share = net, own, other, 0.0

    def __getattr__(self, name: str):
        if name.startswith("__") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for a search crop `(1, 3, S, S)`."""
        if self.other is None or self.share < SMALL_SHARE or self.share > 1 - SMALL_SHARE:
            return self.inner.match(
                self.own if self.other is None or self.share < 0.5 else self.other, x
            )
        outputs = self.inner.match(torch.cat([self.own, self.other]), x.expand(2, -1, -1, -1))
        return {
            name: torch.lerp(value[:1], value[1:], self.share) for name, value in outputs.items()
        }


def starts(frames: Frames, target: ObjectTrack, tracker: Any) -> dict[int, Start]:
    """What to track from at each key frame that shows the target, by frame number; `tracker` is
    used up. BadValue for a box outside the frame.
    """
    found = {}
    for frame_id, box, absent in zip(
        target.frame_ids.tolist(), target.boxes_xywh, target.absent, strict=True
    ):
        if not absent:
            image = frames.read(frame_id)
            height, width = image.shape[:2]
            if (box[:2] >= (width, height)).any() or (box[:2] + box[2:] <= 0).any():
                raise BadValue(
                    f"object '{target.object_id}', frame {frame_id}: the box {box.tolist()} lies "
                    "outside the frame "
                    f"of {width}x{height} pixels; correct it"
                )
            tracker.initialize(image, {"init_bbox": box.tolist()})
            fresh = copy.copy(tracker)
            found[frame_id] = Start(
                fresh, fresh.net.zf, box_delta(np.array(tracker.track(image)["target_bbox"]), box)
            )
    return found


class _Walker:
    """Follows one object from the key frame `begin` to the next, `end`; without `other` there is
    none that shows it.

    The network's boxes are corrected by what it gets wrong on the key frames, which keeps the crops
    true to the target, too.
    """

    def __init__(self, start: Start, begin: int, other: Start | None, end: int | None):
        self.tracker = copy.copy(start.tracker)
        self.net = self.tracker.net = TwoTemplates(
            start.tracker.net, start.template, other and other.template
        )
        self.begin, self.length = begin, None if other is None else end - begin
        self.corrections = start.correction, (start if other is None else other).correction

    def step(self, frame_id: int, image: np.ndarray) -> dict[str, Any]:
        if self.length is not None:
            self.net.share = (frame_id - self.begin) / self.length
        output = self.tracker.track(image)
        own, other = self.corrections
        box = apply_box_delta(np.array(output["target_bbox"]), own + self.net.share * (other - own))
        self.tracker.center_pos, self.tracker.size = box[:2] + box[2:] / 2, box[2:]
        return {**output, "target_bbox": box}


def walk(
    frames: Frames,
    targets: Sequence[ObjectTrack],
    begins: Sequence[dict[int, Start]],
    forward: bool,
    count: int,
    tick: Callable[[], None] = lambda: None,
) -> list[Walk]:
    """Go through `count` frames once, forwards or backwards, with all `targets`, whose `starts` are
    `begins`.
    """
    walks = [Walk.empty(count) for _ in targets]
    following = [_following(target.frame_ids.tolist(), forward) for target in targets]
    walkers: list[_Walker | None] = [None] * len(targets)
    for frame_id, image in _in_order(frames, begins, forward, count):
        for i, own in enumerate(begins):
            if walkers[i] is not None:
                walks[i].note(frame_id, walkers[i].step(frame_id, image))
            if frame_id in own:
                end = following[i][frame_id]
                walkers[i] = _Walker(own[frame_id], frame_id, own.get(end), end)
            elif frame_id in following[i]:
                walkers[i] = None  # the target is known to be absent here
        tick()
    return walks


def _in_order(
    frames: Frames, begins: Sequence[dict[int, Start]], forward: bool, count: int
) -> Iterator[tuple[int, np.ndarray]]:
    known = [frame_id for own in begins for frame_id in own]
    if not known:
        return iter(())
    return (
        ascending(frames, min(known), count - 1) if forward else descending(frames, max(known), 0)
    )


def _following(keys: list[int], forward: bool) -> dict[int, int | None]:
    """For each key frame the next one in the direction of the walk."""
    ordered = keys if forward else keys[::-1]
    return dict(zip(ordered, [*ordered[1:], None], strict=True))
