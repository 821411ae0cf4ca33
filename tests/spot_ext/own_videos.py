"""Two moving rectangles, a tracker that sees them, a folder of their videos and a small network."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch

from ltr.io import checkpoint
from ltr.models.tracking.transt_light import transt_light
from spot_ext.__main__ import main
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

COUNT, SMALL = (
    14,
    {
        "hidden_dim": 32,
        "dim_feedforward": 64,
        "featurefusion_layers": 1,
        "template_sz": 49,
        "search_sz": 97,
    },
)
COLORS = {"1": (255, 0, 0), "2": (0, 0, 255)}


def boxes_of(name: str, count: int = COUNT) -> np.ndarray:
    t = np.arange(count)
    return (
        np.stack([10 + 4 * t, 20 + 3 * t, 0 * t + 20, 0 * t + 16], 1)
        if name == "1"
        else np.stack([100 - 4 * t, 60 + 0 * t, 0 * t + 14, 0 * t + 18], 1)
    )


class Video:
    """A red and a blue rectangle; counts how its frames are read."""

    def __init__(self, count: int = COUNT, hidden: range = range(0)):
        self.count, self.hidden, self.reads = count, hidden, []

    def __len__(self) -> int:
        return self.count

    def read(self, frame_id: int) -> np.ndarray:
        self.reads.append(frame_id)
        image = np.zeros((120, 160, 3), np.uint8)
        for name, color in COLORS.items():
            x, y, w, h = boxes_of(name, self.count)[frame_id]
            if frame_id not in self.hidden:
                image[y : y + h, x : x + w] = color
        return image


class SeeingTracker:
    """Finds the colour that it was started on, and draws every box a fifth too wide, as networks
    have their ways.
    """

    def __init__(self):
        self.net = SimpleNamespace(zf=torch.zeros(1))

    def initialize(self, image, info):
        x, y, w, h = info["init_bbox"]
        self.color, self.last = image[int(y + h / 2), int(x + w / 2)].copy(), info["init_bbox"]

    def track(self, image, info=None):
        rows, columns = np.nonzero((image == self.color).all(2))
        if len(rows):
            width = columns.max() - columns.min() + 1
            self.last = [
                columns.min() - 0.1 * width,
                rows.min(),
                1.2 * width,
                rows.max() - rows.min() + 1,
            ]
        seen = 0.9 if len(rows) else 0.05
        return {"target_bbox": self.last, "best_score": seen, "pred_iou": seen}


def drawn(name: str, *frame_ids: int, absent: tuple[int, ...] = ()) -> ObjectTrack:
    boxes = boxes_of(name)[[*frame_ids, *absent]].astype(float)
    boxes[len(frame_ids) :] = np.nan
    return ObjectTrack.drawn(name, [*frame_ids, *absent], boxes)


def write_network(path: Path) -> Path:
    """A small untrained network whose boxes keep about the target's size."""
    torch.manual_seed(0)
    net = transt_light(**SMALL).eval()
    net.bbox_embed.layers[-1].bias.data[2:] = -1.1  # a quarter of the crop
    checkpoint.write_checkpoint(
        path, {"net": net.state_dict(), "constructor": net.constructor, "net_info": net.info}
    )
    return path


def write_folder(folder: Path) -> Path:
    """Two videos as images, and few.csv with boxes of both."""
    for name in ("walk", "run"):
        (folder / "videos" / name).mkdir(parents=True)
        for frame_id in range(COUNT):
            cv2.imwrite(
                str(folder / "videos" / name / f"{frame_id}.png"),
                Video().read(frame_id)[..., ::-1],
            )
    formats.write(
        [
            VideoBoxes("walk", (drawn("1", 0, 9), drawn("2", 6))),
            VideoBoxes("run", (drawn("1", 5),)),
        ],
        folder / "few.csv",
        "csv",
    )
    return folder


def spot(*arguments) -> int | None:
    return main([str(argument) for argument in arguments])
