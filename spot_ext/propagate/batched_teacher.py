"""Follows targets with a run's teacher, many at once: a forward pass for all of them in a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from spot_ext.propagate.follow import Leg, Read, Sighting
from spot_ext.training import augmentation
from spot_ext.training.data.crops import CropConfig, search_crop, template_crop
from spot_ext.training.teacher import Teacher

# A box that has less than this of it in the frame, in pixels, has left the frame.
LEAST_SIDE = 2


class _Target:
    """A target under way: its template, and the box where it was seen last."""

    def __init__(self, template: np.ndarray, box_xywh: np.ndarray):
        self.template = template
        self.box_xywh = box_xywh

    def move_to(self, box_xywh: np.ndarray, image: np.ndarray) -> bool:
        """Go to a box, clipped to the frame; stay and return False where it has left the frame."""
        size = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
        low = np.clip(box_xywh[:2], 0, size)
        high = np.clip(box_xywh[:2] + box_xywh[2:], 0, size)
        is_inside = bool((high - low >= LEAST_SIDE).all())
        if is_inside:
            self.box_xywh = np.concatenate([low, high - low])
        return is_inside


class BatchedTeacher:
    """A `Follower` that asks the teacher for all targets of a round in one forward pass.

    The search crop of a frame is centred at the box before, as in online tracking. A target that
    leaves the frame keeps its last box, with a predicted IoU of 0.
    """

    def __init__(self, teacher: Teacher, read: Read, crops: CropConfig):
        self.teacher = teacher
        self.read = read
        self.crops = crops
        self.device = next(teacher.net.parameters()).device

    def begin(self, leg: Leg) -> _Target:
        """Cut the template at the leg's start."""
        box = np.asarray(leg.box_xywh, dtype=np.float64)
        image = self.read(leg.target, leg.start)
        return _Target(template_crop(image, box, self.crops).image, box)

    def step(self, states: Sequence[_Target], images: Sequence[np.ndarray]) -> list[Sighting]:
        """Find all targets in one forward pass."""
        crops = [
            search_crop(image, target.box_xywh, self.crops)
            for target, image in zip(states, images, strict=True)
        ]
        found = self.teacher.find(
            self._batch([target.template for target in states]),
            self._batch([crop.image for crop in crops]),
        )
        boxes = found.boxes_xywh.double().cpu().numpy()
        ious = found.ious.double().cpu().numpy()
        sightings = []
        for target, image, crop, box, iou in zip(states, images, crops, boxes, ious, strict=True):
            is_inside = target.move_to(crop.window.to_frame(box), image)
            confidence = float(np.clip(iou, 0, 1)) if is_inside else 0.0
            # The teacher's confidence is its predicted IoU; it stands for the score, too.
            sightings.append(Sighting(target.box_xywh, confidence, confidence))
        return sightings

    def _batch(self, images: list[np.ndarray]) -> torch.Tensor:
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return augmentation.prepare(stacked.to(self.device), None)
