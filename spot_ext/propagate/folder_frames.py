"""The frames of one video of a folder of videos."""

from __future__ import annotations

import numpy as np

from ltr.admin.errors import MissingFile
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.source import FrameSource


class FolderFrames(FrameSource):
    """The frames of video `seq_id` of `folder`."""

    def __init__(self, folder: VideoFolder, seq_id: int):
        self.folder = folder
        self.seq_id = seq_id

    def __len__(self) -> int:
        return self.folder.get_sequence_length(self.seq_id)

    def read(self, frame_id: int) -> np.ndarray:
        """Return a frame `(H, W, 3)`, uint8 RGB."""
        return self.folder.get_frame(self.seq_id, frame_id)

    def stamp(self) -> str:
        """Return a text that changes when the video is replaced; empty where nothing is known."""
        try:
            first = self.folder.frame_path(self.seq_id, 0)
            status = first.stat()
        except (MissingFile, OSError):
            return ""
        return f"{first} {status.st_size} {status.st_mtime_ns}"
