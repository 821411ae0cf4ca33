"""Follows the objects of one video with an online tracker, from key frame to key frame.

Between two key frames the network looks for both of their templates, each the more the nearer it
is. Its boxes are corrected by what it gets wrong on the key frames themselves.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from ltr.admin.errors import BadValue
from ltr.frames.wrappers import Frames, ascending, descending
from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.box_delta import apply_box_delta, box_delta
from spot_ext.propagate.follow import Leg, Sighting, Walk, follow, frame_by_frame
from spot_ext.propagate.gaps import Gap, gaps_between

# The farther template is not asked below this share of the answer, which saves its pass.
SMALL_SHARE = 0.1


class OnlineTracker(Protocol):
    """A tracker of pytracking, as far as it is used here."""

    net: Any  # with `zf`, the features of the template, and `match(templates, crop)`

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> Any:
        """Start on the box `info["init_bbox"]`."""

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the box in the next image, among others."""


@dataclass(frozen=True, eq=False)
class KeyFrame:
    """A labelled frame to track from."""

    tracker: OnlineTracker  # as it was initialised there; all share the network's weights
    template: torch.Tensor
    correction: np.ndarray  # (4,) from the network's box to the human one, see `box_delta`


class TwoTemplates:
    """A tracker's network that looks for up to two templates of a target and mixes the answers.

    `share` of the answer is the second template's.
    """

    def __init__(self, net: Any, first: torch.Tensor, second: torch.Tensor | None):
        self.inner = net
        self.first = first
        self.second = second
        self.share = 0.0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the network's outputs for a search crop `(1, 3, S, S)`."""
        if self.second is None:
            return self.inner.match(self.first, x)
        if self.share < SMALL_SHARE or self.share > 1 - SMALL_SHARE:
            nearer = self.first if self.share < 0.5 else self.second
            return self.inner.match(nearer, x)
        templates = torch.cat([self.first, self.second])
        outputs = self.inner.match(templates, x.expand(2, -1, -1, -1))
        return {
            name: torch.lerp(value[:1], value[1:], self.share) for name, value in outputs.items()
        }


class KeyFrameTracker:
    """A `Follower` for the objects of one video."""

    def __init__(
        self,
        frames: Frames,
        objects: Sequence[ObjectTrack],
        tracker: OnlineTracker,
        gaps: Sequence[Sequence[Gap]] | None = None,
    ):
        """Start `tracker` on every box of `objects` at an end of a gap to follow it through.

        `gaps` are those of each object, None: all. Each frame with a box is read once. BadValue
        names a box that lies outside its frame.
        """
        self.frames = frames
        self.objects = objects
        if gaps is None:
            count = len(frames)
            gaps = [gaps_between(item.frame_ids.tolist(), count) for item in objects]
        self.gaps = gaps
        self.key_frames: dict[tuple[int, int], KeyFrame] = {}
        for number, (item, own_gaps) in enumerate(zip(objects, gaps, strict=True)):
            ends = {gap.before for gap in own_gaps} | {gap.after for gap in own_gaps}
            for frame_id, box in zip(item.frame_ids.tolist(), item.boxes_xywh, strict=True):
                if frame_id in ends and np.isfinite(box).all():
                    image = frames.read(frame_id)
                    _check_inside(item.object_id, frame_id, box, image)
                    self.key_frames[number, frame_id] = _start(tracker, image, box)

    def walk(
        self, forward: bool, count: int, tick: Callable[[], None] = lambda: None
    ) -> list[Walk]:
        """Go once through the `count` frames of the video, forwards or backwards.

        Returns a walk of all frames for each object. Its rows at key frames hold the arrival:
        where the walk from the key frame before would have put the object.
        """
        legs = self.legs(forward)
        walks = [Walk.empty(count) for _ in self.objects]
        if not legs:
            return walks
        ends = [int(frame_id) for leg in legs for frame_id in leg.frame_ids[[0, -1]]]
        if forward:
            images = ascending(self.frames, min(ends), max(ends))
        else:
            images = descending(self.frames, max(ends), min(ends))
        parts = follow(legs, self, frame_by_frame(legs, images), tick)
        for leg, part in zip(legs, parts, strict=True):
            walks[leg.target].put(leg.frame_ids, part)
        return walks

    def legs(self, forward: bool) -> list[Leg]:
        """Return the legs that start at the key frames: each through a gap, to the next key frame.

        A key frame that marks the object as absent starts no leg, and none goes on behind it.
        """
        legs = []
        for number, (item, own_gaps) in enumerate(zip(self.objects, self.gaps, strict=True)):
            for gap in own_gaps:
                start, end = (gap.before, gap.after) if forward else (gap.after, gap.before)
                if start is None or (number, start) not in self.key_frames:
                    continue
                frame_ids = gap.frame_ids() if forward else gap.frame_ids()[::-1]
                if end is not None and (number, end) in self.key_frames:
                    frame_ids = np.append(frame_ids, end)
                row = int(np.searchsorted(item.frame_ids, start))
                legs.append(Leg(number, start, item.boxes_xywh[row], frame_ids))
        return legs

    def begin(self, leg: Leg) -> _Followed:
        """Start at the leg's key frame, with the one at its end where there is one."""
        end = self.key_frames.get((leg.target, int(leg.frame_ids[-1])))
        return _Followed(leg, self.key_frames[leg.target, leg.start], end)

    def step(self, states: Sequence[_Followed], images: Sequence[np.ndarray]) -> list[Sighting]:
        """Track each object in its next image."""
        return [state.step(image) for state, image in zip(states, images, strict=True)]


class _Followed:
    """An object on its way from one key frame to the next."""

    def __init__(self, leg: Leg, start: KeyFrame, end: KeyFrame | None):
        self.leg = leg
        self.steps_done = 0
        self.length = None if end is None else int(leg.frame_ids[-1]) - leg.start
        self.tracker: Any = copy.copy(start.tracker)
        end_template = None if end is None else end.template
        self.net = TwoTemplates(start.tracker.net, start.template, end_template)
        self.tracker.net = self.net
        self.start_correction = start.correction
        self.end_correction = start.correction if end is None else end.correction

    def step(self, image: np.ndarray) -> Sighting:
        frame_id = int(self.leg.frame_ids[self.steps_done])
        self.steps_done += 1
        if self.length is not None:
            self.net.share = (frame_id - self.leg.start) / self.length
        output = self.tracker.track(image)
        change = self.end_correction - self.start_correction
        correction = self.start_correction + self.net.share * change
        box = apply_box_delta(np.array(output["target_bbox"]), correction)
        # The next crop is cut around the corrected box.
        self.tracker.center_pos = box[:2] + box[2:] / 2
        self.tracker.size = box[2:]
        score = output.get("target_score", output.get("best_score"))
        return Sighting(box, output.get("pred_iou", score), score)


def _start(tracker: OnlineTracker, image: np.ndarray, box: np.ndarray) -> KeyFrame:
    tracker.initialize(image, {"init_bbox": box.tolist()})
    fresh = copy.copy(tracker)
    seen_box = np.array(tracker.track(image)["target_bbox"])
    return KeyFrame(fresh, fresh.net.zf, box_delta(seen_box, box))


def _check_inside(object_id: str, frame_id: int, box: np.ndarray, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    is_outside = (box[:2] >= (width, height)).any() or (box[:2] + box[2:] <= 0).any()
    if is_outside:
        raise BadValue(
            f"object '{object_id}', frame {frame_id}: the box {box.tolist()} lies outside the "
            f"frame of {width}x{height} pixels; correct it"
        )
