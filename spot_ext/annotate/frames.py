"""Frames as the browser shows them: image files as they are, frames of videos and archives as
JPEG.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadValue
from ltr.dataset.video_folder import VideoFolder
from spot_ext.check.images import image_size

SHOWN_AS_THEY_ARE = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
KEPT_BYTES = (
    64 << 20
)  # encoded frames kept: stepping back in a video costs decoding from the key frame before it
JPEG_QUALITY = 92


class ShownFrames:
    """Reads frames of a VideoFolder for display; safe to call from several threads, which wait for
    each other.
    """

    def __init__(self, dataset: VideoFolder):
        self.dataset = dataset
        self._lock = threading.Lock()  # a decoder has one position
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._kept_bytes = 0

    def read(self, seq_id: int, frame_id: int) -> tuple[bytes, str]:
        """The frame's bytes and media type. BadInput, naming file and frame, where it cannot be
        read.
        """
        path = Path(self.dataset.frame_path(seq_id, frame_id))
        media_type = SHOWN_AS_THEY_ARE.get(path.suffix.lower())
        if media_type is not None:
            image_size(path)  # a damaged file becomes a sentence here, not a broken picture there
            return path.read_bytes(), media_type
        with self._lock:
            return self._encoded(seq_id, frame_id), "image/jpeg"

    def _encoded(self, seq_id: int, frame_id: int) -> bytes:
        key = seq_id, frame_id
        if key not in self._kept:
            data = _jpeg(
                self.dataset.get_frame(seq_id, frame_id),
                f"frame {frame_id} of {self.dataset.sequence_list[seq_id]}",
            )
            self._kept[key] = data
            self._kept_bytes += len(data)
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]


def _jpeg(image_rgb: np.ndarray, name: str) -> bytes:
    fine, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not fine:
        raise BadValue(
            f"{name} is too large to be shown ({image_rgb.shape[1]} x {image_rgb.shape[0]}); "
            "scale the video down"
        )
    return data.tobytes()
