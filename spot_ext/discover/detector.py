"""Boxes from one of torchvision's detectors, whose COCO weights lie in `pretrained_networks` of
ltr/admin/local.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from ltr.admin.errors import BadValue, NotConfigured, suggestion
from ltr.io.checkpoint import read_checkpoint
from ltr.parallel.device import default_device

# torchvision's names, also the start of its weights files; the first that is there is taken
DETECTORS = (
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn_v2_coco",
    "fasterrcnn_resnet50_fpn_coco",
    "retinanet_resnet50_fpn_coco",
    "ssdlite320_mobilenet_v3_large_coco",
    "ssd300_vgg16_coco",
    "fcos_resnet50_fpn_coco",
)


class Detector:
    """A detector on the GPU where there is one. Call `detect` for each frame that is looked at."""

    def __init__(
        self, folder: Path, name: str | None = None, least_score: float = 0.5, every: int = 1
    ):
        """`name` is one of `DETECTORS`, by default the first whose file `<name>*.pth` is in
        `folder`.

        `every` n: look at every n-th frame only. Raises NotConfigured where no file is.
        """
        if name is not None and name not in DETECTORS:
            raise BadValue(
                f"detector '{name}' is not known{suggestion(name, DETECTORS)}; choose one of: "
                f"{', '.join(DETECTORS)}"
            )
        names = DETECTORS if name is None else (name,)
        found = [
            (known, file) for known in names for file in sorted(folder.glob(f"{known}*.pth"))[:1]
        ]
        if not found:
            raise NotConfigured(
                "no weights of a torchvision detector "
                f"({names[0]}*.pth{' or another one' if name is None else ''}) in "
                f"'{folder}': put the file there, or point `pretrained_networks` in "
                "ltr/admin/local.py at its folder, or give "
                "the boxes of any detector with --detections FILE"
            )
        self.name, file = found[0]
        self.least_score, self.every = least_score, every
        self.device = default_device()
        self.net = _build(self.name).eval()
        try:
            self.net.load_state_dict(read_checkpoint(file))
        except RuntimeError as error:
            raise BadValue(
                f"'{file}' does not hold the weights of {self.name} "
                f"({str(error).splitlines()[0]}); give "
                "torchvision's own file"
            ) from None
        self.net.to(self.device)

    @property
    def longest_gap(self) -> int:
        """Frames that an object may be missed for."""
        return max(3, 2 * self.every)

    @torch.inference_mode()
    def at(self, frame_id: int, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) xywh px and scores (N,) in `frame` (H, W, 3) uint8 RGB."""
        if frame_id % self.every:
            return np.empty((0, 4)), np.empty(0)
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self.device).permute(2, 0, 1) / 255
        result = self.net([image])[0]
        boxes, scores = (
            result["boxes"].cpu().double().numpy(),
            result["scores"].cpu().double().numpy(),
        )
        good = (scores >= self.least_score) & (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
        boxes = boxes[good]
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1), scores[good]


def _build(name: str) -> nn.Module:
    from torchvision.models import detection

    return getattr(detection, name.removesuffix("_coco"))(weights=None, weights_backbone=None)
