"""Rendered videos as files to look at: a GOT-10k tree, and a sheet of small pictures with boxes
drawn.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from ltr.admin.errors import BadInput
from ltr.io.files import atomic_write, write_text
from spot_ext.rendering.got10k_layout import (
    VideoDescription,
    frame_file,
    label_files,
    list_text,
)
from spot_ext.rendering.photographed.dataset import RenderedVideos

JPEG_QUALITY = 93
THUMB = (384, 216)  # width, height of a picture of the sheet
SEEN, GONE = (60, 255, 60), (255, 60, 60)


def write_tree(videos: RenderedVideos, root: Path, split: str = "train") -> None:
    """Write every video below `root/split` as GOT-10k lays them out, with `list.txt`. Refuses a
    folder that holds some.
    """
    folder = Path(root) / split
    if (folder / "list.txt").exists():
        raise BadInput(
            f"scenes: '{folder}' already holds videos; choose another folder or remove it"
        )
    for seq_id, name in enumerate(videos.sequence_list):
        _write_video(videos, seq_id, folder / name)
    write_text(folder / "list.txt", list_text(videos.sequence_list))


def _write_video(videos: RenderedVideos, seq_id: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    truth = videos.truth(seq_id)
    for frame_id in range(len(truth.boxes_xywh)):
        image = videos.get_frame(seq_id, frame_id)
        frame_file(folder, frame_id).write_bytes(
            simplejpeg.encode_jpeg(np.ascontiguousarray(image), JPEG_QUALITY)
        )
    description = VideoDescription(
        "object", "moving", "object", "normally", (image.shape[1], image.shape[0])
    )
    files = label_files(
        truth.boxes_xywh,
        truth.seen.tolist(),
        (~truth.visible).tolist(),
        truth.cut.tolist(),
        description,
    )
    for name, text in files.items():
        write_text(folder / name, text)


def contact_sheet(videos: RenderedVideos, columns: int = 5) -> np.ndarray:
    """Draw one row a video, frames spread over its length, uint8 RGB. Green box: the target is
    seen, red: it is not.
    """
    rows = []
    for seq_id in range(videos.get_num_sequences()):
        truth = videos.truth(seq_id)
        last = len(truth.boxes_xywh) - 1
        rows.append(
            np.hstack(
                [
                    _thumb(
                        videos.get_frame(seq_id, t),
                        truth.boxes_xywh[t],
                        bool(truth.visible[t]),
                        f"{seq_id}:{t} {truth.seen[t]:.2f}",
                    )
                    for t in np.linspace(0, last, columns).astype(int)
                ]
            )
        )
    return np.vstack(rows)


def write_sheet(videos: RenderedVideos, file: Path, columns: int = 5) -> None:
    """Write `contact_sheet` as a PNG."""
    data = cv2.imencode(".png", cv2.cvtColor(contact_sheet(videos, columns), cv2.COLOR_RGB2BGR))[1]
    with atomic_write(file) as temporary:
        Path(temporary).write_bytes(data.tobytes())


def _thumb(image: np.ndarray, box_xywh: np.ndarray, visible: bool, text: str) -> np.ndarray:
    scale = min(THUMB[0] / image.shape[1], THUMB[1] / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y, w, h = np.round(box_xywh * scale).astype(int).tolist()
    if w > 0:
        cv2.rectangle(small, (x, y), (x + w - 1, y + h - 1), SEEN if visible else GONE, 1)
    cv2.putText(small, text, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 0))
    out = np.zeros((THUMB[1], THUMB[0], 3), np.uint8)
    out[: small.shape[0], : small.shape[1]] = small[: THUMB[1], : THUMB[0]]
    return out
