"""Frames as the browser shows them: image files as they are, frames of videos and archives as
JPEG.
"""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadValue
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.shared import file_stamp
from ltr.io.byte_cache import BYTES_PER_MB, ByteCache
from spot_ext.check.images import image_size

SHOWN_AS_THEY_ARE = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
# Encoded frames kept: stepping back in a video costs decoding from the key frame before it.
KEPT_BYTES = 64 * BYTES_PER_MB
JPEG_QUALITY = 92


class ShownFrames:
    """Reads frames of a VideoFolder for display, from any thread; threads wait for each other."""

    def __init__(self, dataset: VideoFolder):
        self.dataset = dataset
        # a decoder has one position
        self._lock = threading.Lock()
        self._kept: ByteCache[bytes] = ByteCache(KEPT_BYTES)

    def read(self, seq_id: int, frame_id: int) -> tuple[bytes, str]:
        """Return the frame's bytes and media type.

        Raises BadInput, naming file and frame, where it cannot be read.
        """
        path = Path(self.dataset.frame_path(seq_id, frame_id))
        media_type = SHOWN_AS_THEY_ARE.get(path.suffix.lower())
        if media_type is not None:
            # a damaged file becomes a sentence here, not a broken picture there
            image_size(path)
            return path.read_bytes(), media_type
        with self._lock:
            return self._encoded(seq_id, frame_id, path), "image/jpeg"

    def _encoded(self, seq_id: int, frame_id: int, path: Path) -> bytes:
        # the stamp of the file is part of the key: a video that is replaced shows its own frames
        key = seq_id, frame_id, file_stamp(path)
        data = self._kept.get(key)
        if data is None:
            name = f"frame {frame_id} of {self.dataset.sequence_list[seq_id]}"
            data = _jpeg(self.dataset.get_frame(seq_id, frame_id), name)
            self._kept.put(key, data, len(data))
        return data


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
