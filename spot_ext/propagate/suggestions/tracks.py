"""The teacher follows targets through the frames between their labels, many targets at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spot_ext.training import augmentation
from spot_ext.training.data.crops import CropConfig, search_crop, template_crop
from spot_ext.training.teacher import Teacher

Read = Callable[[int, int], np.ndarray]  # path, frame id -> image (H, W, 3) uint8 RGB


@dataclass(frozen=True, eq=False)
class Leg:
    """A way to go with one target: from its box in frame `start` through `frame_ids`, in this
    order.
    """

    path: int
    start: int
    box_xywh: np.ndarray  # (4,)
    frame_ids: np.ndarray  # (n,)


@dataclass(frozen=True, eq=False)
class Trail:
    """What was found on the way: boxes in frame pixels and predicted IoUs, in the order of the
    leg.
    """

    boxes_xywh: np.ndarray  # (n, 4)
    ious: np.ndarray  # (n,)


def follow(
    teacher: Teacher,
    legs: Sequence[Leg],
    read: Read,
    crops: CropConfig,
    batch: int = 16,
    tick: Callable[[], None] = lambda: None,
) -> list[Trail]:
    """Walk all legs, `batch` of them at a time, which costs one forward pass of that size a step;
    `tick` is called at each.

    The search crop of a frame is centred at the box before, as online tracking does it. A target
    that leaves the frame keeps its last box, with a predicted IoU of 0.
    """
    trails = [
        Trail(np.empty((len(leg.frame_ids), 4)), np.zeros(len(leg.frame_ids))) for leg in legs
    ]
    waiting = iter([number for number, leg in enumerate(legs) if len(leg.frame_ids)])
    active: list[_Walker] = []
    while True:
        active = [walker for walker in active if not walker.done]
        active += [
            _Walker(legs[number], trails[number], read, crops)
            for number in _take(waiting, batch - len(active))
        ]
        if not active:
            return trails
        crops_now = [walker.look(read, crops) for walker in active]
        device = next(teacher.net.parameters()).device
        found = teacher.find(
            _normalised([walker.template for walker in active], device),
            _normalised([crop.image for crop in crops_now], device),
        )
        boxes, ious = found.boxes_xywh.double().cpu().numpy(), found.ious.double().cpu().numpy()
        for walker, crop, box, iou in zip(active, crops_now, boxes, ious, strict=True):
            walker.arrive(crop.window.to_frame(box), float(iou))
        tick()


class _Walker:
    """One leg under way."""

    def __init__(self, leg: Leg, trail: Trail, read: Read, crops: CropConfig):
        self.leg, self.trail, self.step = leg, trail, 0
        self.box = np.asarray(leg.box_xywh, dtype=np.float64)
        self.template = template_crop(read(leg.path, leg.start), self.box, crops).image

    @property
    def done(self) -> bool:
        return self.step == len(self.leg.frame_ids)

    def look(self, read: Read, crops: CropConfig):
        frame = read(self.leg.path, int(self.leg.frame_ids[self.step]))
        self.size = np.array([frame.shape[1], frame.shape[0]], dtype=np.float64)
        return search_crop(frame, self.box, crops)

    def arrive(self, box_xywh: np.ndarray, iou: float) -> None:
        low, high = (
            np.clip(box_xywh[:2], 0, self.size),
            np.clip(box_xywh[:2] + box_xywh[2:], 0, self.size),
        )
        inside = bool((high - low >= 2).all())
        if inside:
            self.box = np.concatenate([low, high - low])
        self.trail.boxes_xywh[self.step], self.trail.ious[self.step] = (
            self.box,
            np.clip(iou, 0, 1) * inside,
        )
        self.step += 1


def _take(numbers: Iterator[int], count: int) -> Iterator[int]:
    for _ in range(count):
        number = next(numbers, None)
        if number is None:
            return
        yield number


def _normalised(images: list[np.ndarray], device: torch.device) -> torch.Tensor:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return augmentation.prepare(stacked.to(device), None)
