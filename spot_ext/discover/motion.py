"""From frames to tracks: what moves against the camera's motion, or what a detector finds, followed
with optical flow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from spot_ext.discover.camera import Flow, Motion
from spot_ext.discover.linking import LONGEST_GAP, Carry, Linker, Track, carried_by
from spot_ext.discover.regions import regions_in, strength_map

WORKING_SIDE = 480  # px: longer side at which flow is computed; larger frames are reduced
REACHES = (1, 3)  # frames apart: the next ones for fast things, further ones for slow things
NO_BOXES = np.empty((0, 4))

Detect = Callable[
    [int, np.ndarray], tuple[np.ndarray, np.ndarray]
]  # frame id, frame -> boxes (N, 4) px, scores (N,) 0..1


def motion_tracks(frames: Iterable[np.ndarray], least_frames: int) -> Iterator[Track]:
    """Follow what moves in `frames` ((H, W, 3) uint8 RGB, in order), yielding each track when it
    ends.

    Tracks of fewer boxes than `least_frames` are dropped. Memory holds a few frames, whatever the
    video's length.
    """
    late, count = max(REACHES), 0
    motions, linker = _Motions(REACHES), Linker(least_frames)

    def look(frame_id: int) -> list[Track]:
        strength = strength_map([motions.around(frame_id, reach) for reach in REACHES])
        boxes = NO_BOXES if strength is None else regions_in(strength)
        ended = linker.step(
            frame_id, boxes / motions.scale, np.ones(len(boxes)), motions.carry_to(frame_id)
        )
        motions.forget(frame_id)
        return ended

    for frame in frames:
        motions.add(frame)
        count += 1
        if count > late:
            yield from look(count - 1 - late)
    for frame_id in range(max(count - late, 0), count):
        yield from look(frame_id)
    yield from linker.finish()


def detection_tracks(
    frames: Iterable[np.ndarray], detect: Detect, least_frames: int, longest_gap: int = LONGEST_GAP
) -> Iterator[Track]:
    """Follow what `detect` finds in `frames`; as `motion_tracks` otherwise.

    `longest_gap` is how many frames an object may go without a detection; flow carries it over
    them.
    """
    motions, linker = _Motions((1,)), Linker(least_frames, longest_gap)
    for frame_id, frame in enumerate(frames):
        motions.add(frame)
        boxes, scores = detect(frame_id, frame)
        yield from linker.step(frame_id, boxes, scores, motions.carry_to(frame_id))
        motions.forget(frame_id - 1)
    yield from linker.finish()


class _Motions:
    """The motions between the last frames of a video; frames are added in order."""

    def __init__(self, reaches: Sequence[int]):
        self.reaches, self.scale = reaches, 1.0  # working pixels per pixel of the frames
        self._flow = Flow()
        self._greys: list[np.ndarray] = []  # the newest last
        self._motions: dict[tuple[int, int], Motion] = {}  # (from, to)
        self._count = 0

    def add(self, frame: np.ndarray) -> None:
        self.scale = min(1.0, WORKING_SIDE / max(frame.shape[:2]))
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if self.scale < 1:
            grey = cv2.resize(
                grey, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA
            )
        if self._greys and self._greys[-1].shape != grey.shape:  # of another recording
            self._greys = []
        for reach in self.reaches:
            if reach <= len(self._greys):
                other, before = self._greys[-reach], self._count - reach
                self._motions[self._count, before] = self._flow.motion(grey, other)
                self._motions[before, self._count] = self._flow.motion(other, grey)
        self._greys = [*self._greys, grey][-max(self.reaches) :]
        self._count += 1

    def around(self, frame_id: int, reach: int) -> tuple[Motion | None, Motion | None]:
        """From the frame to those `reach` before and after it."""
        return self._motions.get((frame_id, frame_id - reach)), self._motions.get(
            (frame_id, frame_id + reach)
        )

    def carry_to(self, frame_id: int) -> Carry | None:
        """Return the flow that carries boxes from the frame before; None when the two are of
        different scenes.
        """
        there, back = (
            self._motions.get(pair) for pair in ((frame_id - 1, frame_id), (frame_id, frame_id - 1))
        )
        if there is None or back is None or not (there.same_scene and back.same_scene):
            return None
        return carried_by(there.flow, back.flow, self.scale)

    def forget(self, frame_id: int) -> None:
        """Motions that end before or at this frame are not needed any more."""
        self._motions = {
            pair: motion for pair, motion in self._motions.items() if max(pair) > frame_id
        }
