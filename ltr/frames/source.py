"""The family's base class: frames of one video, read by number."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ltr.admin.errors import MissingFile

# Frame rate of places that name none: folders of images, archives, some cameras.
FOLDER_FPS = 25.0


class FrameSource(ABC):
    """Frames 0 to len - 1 of one video, read in any order.

    Files are opened on first use and belong to one process.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames."""

    @abstractmethod
    def read(self, frame_id: int) -> np.ndarray:
        """Return a frame (H, W, 3) uint8 RGB.

        Raises BadInput, naming file and frame, when it is not there or damaged.
        """

    @property
    def fps(self) -> float:
        """Frames a second."""
        return FOLDER_FPS

    def check_complete(self) -> None:  # noqa: B027 (not every source can tell)
        """Raise BadInput where the file promises more than it holds."""

    def damage(self, frame_id: int) -> str | None:
        """Return what was seen of damage when this frame was read; None where nothing was."""
        return None

    def close(self) -> None:  # noqa: B027 (not every source holds a file)
        """Let go of files; the next `read` opens them again."""

    def _check_frame_id(self, frame_id: int, place: object) -> None:
        if not 0 <= frame_id < len(self):
            raise MissingFile(
                f"{place} has no frame {frame_id}, it has {len(self)}; check the frame numbers"
            )
