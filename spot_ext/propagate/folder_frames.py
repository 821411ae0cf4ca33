"""The frames of one video of a folder of videos."""

from __future__ import annotations

import os
from pathlib import Path

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

    def check_readable(self) -> None:
        """Read the first and the last frame. Raises BadInput where the video cannot be used."""
        for frame_id in (0, len(self) - 1):
            self.read(frame_id)

    def files(self) -> list[Path]:
        """Return the files that hold the frames."""
        return self.folder.frame_files(self.seq_id)

    def stamp_of_first_versions(self) -> str:
        """Return what results of earlier programs are bound to: the first frame's file alone."""
        try:
            first = self.folder.frame_path(self.seq_id, 0)
            status = first.stat()
        except (MissingFile, OSError):
            return ""
        return f"{first} {status.st_size} {status.st_mtime_ns}"

    def changed_at(self) -> float:
        """Return when a file of the frames was last changed, in seconds since 1970."""
        return max(max(os.stat(path).st_mtime, os.stat(path).st_ctime) for path in self.files())
