"""Boxes that are kept from a lesson, to see whether the network has learned from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ltr.admin.errors import BadInput
from ltr.admin.loading import load_network
from ltr.dataset.video_folder import VideoFolder
from ltr.geometry.array_boxes import paired_iou
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.batched_teacher import BatchedTeacher
from spot_ext.propagate.follow import Leg, follow, side_by_side
from spot_ext.propagate.network import TrackingNetwork
from spot_ext.training.teacher import Teacher

# Frames looked at on the way to a held-out box: more follows fast objects better and costs time.
STEPS = 8
# Held-out boxes that are looked for at the most; it bounds time and memory.
MOST_BOXES = 24
BATCH = 16


class DrawnBox(NamedTuple):
    """A box that a person drew."""

    video: str
    object_id: str
    frame_id: int
    box_xywh: tuple[float, ...]


def drawn_boxes(given: Iterable[VideoBoxes]) -> list[DrawnBox]:
    """Return all boxes of people, in order; marks of absence are none."""
    boxes = []
    for video in given:
        for item in video.objects:
            shown = item.human & ~item.absent
            for frame_id, box in zip(
                item.frame_ids[shown].tolist(), item.boxes_xywh[shown].tolist(), strict=True
            ):
                boxes.append(DrawnBox(video.video, item.object_id, frame_id, tuple(box)))
    return boxes


def hold_out(boxes: Sequence[DrawnBox], earlier: Iterable[DrawnBox]) -> list[DrawnBox]:
    """Return every second box that is not among the `earlier` ones, the first of them excepted.

    An object keeps at least one box to start from.
    """
    known = set(earlier)
    new = [box for box in boxes if box not in known]
    left: dict[tuple[str, str], int] = defaultdict(int)
    for box in boxes:
        left[box.video, box.object_id] += 1
    held_out: list[DrawnBox] = []
    for box in new[1::2]:
        if left[box.video, box.object_id] > 1 and len(held_out) < MOST_BOXES:
            left[box.video, box.object_id] -= 1
            held_out.append(box)
    return held_out


def without(given: Sequence[VideoBoxes], held_out: Iterable[DrawnBox]) -> list[VideoBoxes]:
    """Return the human boxes without the held-out ones."""
    excluded = {(box.video, box.object_id, box.frame_id) for box in held_out}
    videos = []
    for video in given:
        objects = []
        for item in video.objects:
            is_kept = np.array(
                [
                    (video.video, item.object_id, frame_id) not in excluded
                    for frame_id in item.frame_ids.tolist()
                ]
            )
            objects.append(
                ObjectTrack.drawn(
                    item.object_id, item.frame_ids[is_kept], item.boxes_xywh[is_kept], item.label
                )
            )
        videos.append(
            VideoBoxes(video.video, tuple(objects), video.frame_count, video.size, video.fps)
        )
    return videos


class HeldOutTest:
    """Follows objects from their nearest box to each held-out one, and compares."""

    def __init__(
        self, folder: VideoFolder, boxes: Sequence[DrawnBox], held_out: Sequence[DrawnBox]
    ):
        self.images: dict[tuple[int, int], np.ndarray] = {}
        self.legs: list[Leg] = []
        self.truth: list[tuple[float, ...]] = []
        excluded = set(held_out)
        known = [box for box in boxes if box not in excluded]
        seq_ids = {name: seq_id for seq_id, name in enumerate(folder.sequence_list)}
        for box in held_out:
            leg = _leg(len(self.legs), box, known)
            try:
                for frame_id in [leg.start, *leg.frame_ids.tolist()]:
                    image = folder.get_frame(seq_ids[box.video], frame_id)
                    self.images[leg.target, frame_id] = image
            except (BadInput, OSError):
                # A damaged video is told when it is labelled; the others decide here.
                continue
            self.legs.append(leg)
            self.truth.append(box.box_xywh)

    def mean_iou(self, network: TrackingNetwork, device: str) -> float:
        """Return the mean IoU of the network's boxes with the held-out ones; NaN without any."""
        if not self.legs:
            return float("nan")
        config = network.recipe()
        teacher = Teacher(
            load_network(network.path)[0], network.architecture, config.teacher.window_weight
        )
        teacher.net.to(device)

        def read(target: int, frame_id: int) -> np.ndarray:
            return self.images[target, frame_id]

        follower = BatchedTeacher(teacher, read, config.crops)
        walks = follow(self.legs, follower, side_by_side(self.legs, read, BATCH))
        arrivals = np.stack([walk.boxes_xywh[-1] for walk in walks])
        return float(paired_iou(arrivals, np.array(self.truth)).mean())


def _leg(number: int, box: DrawnBox, known: Sequence[DrawnBox]) -> Leg:
    """Return the leg from the nearest known box of the same object."""
    nearest = min(
        (item for item in known if item[:2] == box[:2]),
        key=lambda item: abs(item.frame_id - box.frame_id),
    )
    places = np.linspace(nearest.frame_id, box.frame_id, STEPS + 1)[1:]
    # Near places round to equal frames, and the first ones to the start itself.
    frame_ids = dict.fromkeys(places.round().astype(int).tolist())
    frame_ids.pop(nearest.frame_id, None)
    return Leg(
        number, nearest.frame_id, np.array(nearest.box_xywh), np.array(list(frame_ids), dtype=int)
    )
