"""Follows targets from labelled boxes through the frames beside them.

This is the one engine behind `label`, `track`, `suggest` and `tune`:

    legs ─► rounds (which legs look at which image next) ─► Follower.step ─► a Walk for each leg

A leg says where to start and which frames to go through. A `Follower` does the looking: the online
tracker (`key_frame_tracker`), the teacher in batches (`batched_teacher`), or the trackers of a
parameter search (`tuning.track_trials`). The rounds decide the order: `frame_by_frame` reads every
frame of a video once for all legs, `side_by_side` keeps a batch of legs of many videos under way.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

Read = Callable[[int, int], np.ndarray]  # target, frame id -> image (H, W, 3) uint8 RGB


@dataclass(frozen=True, eq=False)
class Leg:
    """A way to go with one target: from its box in frame `start` through `frame_ids`, in order."""

    target: int  # number of the target, for who called
    start: int
    box_xywh: np.ndarray  # (4,) frame pixels
    frame_ids: np.ndarray  # (n,) without `start`


class Sighting(NamedTuple):
    """A target as it was seen in one frame."""

    box_xywh: Any  # four numbers, frame pixels
    iou: float  # predicted IoU of this box with the target
    score: float  # probability that the box shows the target


@dataclass(frozen=True, eq=False)
class Walk:
    """Boxes found in n frames; NaN where nobody looked."""

    boxes_xywh: np.ndarray  # (n, 4) frame pixels
    ious: np.ndarray  # (n,) predicted IoU
    scores: np.ndarray  # (n,) probability that the box shows the target

    @classmethod
    def empty(cls, count: int) -> Walk:
        """Return a walk of `count` frames in which nobody looked."""
        return cls(np.full((count, 4), np.nan), np.full(count, np.nan), np.full(count, np.nan))

    def part(self, rows: slice) -> Walk:
        """Return the walk through some of the frames."""
        return Walk(self.boxes_xywh[rows], self.ious[rows], self.scores[rows])

    def reversed(self) -> Walk:
        """Return the same walk with its frames in the other order."""
        return self.part(slice(None, None, -1))

    def note(self, row: int, sighting: Sighting) -> None:
        """Keep what was seen in one frame."""
        self.boxes_xywh[row] = sighting.box_xywh
        self.ious[row] = sighting.iou
        self.scores[row] = sighting.score

    def put(self, frame_ids: np.ndarray, part: Walk) -> None:
        """Keep the walk of a leg through `frame_ids`."""
        self.boxes_xywh[frame_ids] = part.boxes_xywh
        self.ious[frame_ids] = part.ious
        self.scores[frame_ids] = part.scores


State = TypeVar("State")


class Follower(Protocol[State]):
    """Looks for targets. Its state of a leg holds what it knows of the target so far."""

    def begin(self, leg: Leg) -> State:
        """Return the state at the leg's start."""

    def step(self, states: Sequence[State], images: Sequence[np.ndarray]) -> Sequence[Sighting]:
        """Find each target in the next image of its leg, and update its state."""


# The legs that move on next, each with the image of its next frame.
Round = Sequence[tuple[int, np.ndarray]]


def follow(
    legs: Sequence[Leg],
    follower: Follower[State],
    rounds: Iterable[Round],
    tick: Callable[[], None] = lambda: None,
) -> list[Walk]:
    """Go all legs and return what was found, in the order of each leg's frames.

    `rounds` come from `frame_by_frame` or `side_by_side`; `tick` is called after each.
    """
    walks = [Walk.empty(len(leg.frame_ids)) for leg in legs]
    states: dict[int, State] = {}
    steps_done = [0] * len(legs)
    for moving in rounds:
        for number, _ in moving:
            if number not in states:
                states[number] = follower.begin(legs[number])
        if moving:
            sightings = follower.step(
                [states[number] for number, _ in moving], [image for _, image in moving]
            )
            for (number, _), sighting in zip(moving, sightings, strict=True):
                walks[number].note(steps_done[number], sighting)
                steps_done[number] += 1
                if steps_done[number] == len(legs[number].frame_ids):
                    # The state may hold templates on a GPU: let it go.
                    del states[number]
        tick()
    return walks


def frame_by_frame(
    legs: Sequence[Leg], images: Iterable[tuple[int, np.ndarray]]
) -> Iterator[Round]:
    """Hand each image to all legs that pass through its frame, so that a frame is read once.

    `images` are frames of one video with their ids, in the direction of the legs.
    """
    legs_at: dict[int, list[int]] = defaultdict(list)
    for number, leg in enumerate(legs):
        for frame_id in leg.frame_ids.tolist():
            legs_at[frame_id].append(number)
    for frame_id, image in images:
        yield [(number, image) for number in legs_at.pop(frame_id, ())]


def side_by_side(legs: Sequence[Leg], read: Read, batch: int) -> Iterator[Round]:
    """Keep up to `batch` legs of any videos under way; a finished one makes room for the next.

    Raising `batch` feeds a GPU better and holds as many images in memory.
    """
    waiting = deque(number for number, leg in enumerate(legs) if len(leg.frame_ids))
    steps_done = [0] * len(legs)
    active: list[int] = []
    while active or waiting:
        while waiting and len(active) < batch:
            active.append(waiting.popleft())
        moving = []
        for number in active:
            frame_id = int(legs[number].frame_ids[steps_done[number]])
            moving.append((number, read(legs[number].target, frame_id)))
            steps_done[number] += 1
        yield moving
        active = [number for number in active if steps_done[number] < len(legs[number].frame_ids)]
