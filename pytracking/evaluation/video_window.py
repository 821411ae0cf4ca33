"""The window of run_video and run_webcam: shows frames, takes keys, and boxes drawn with the
mouse.
"""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np

from pytracking.evaluation.display import write_label
from pytracking.utils.plotting import object_color

WINDOW_SIZE = (960, 720)  # px at the start; it can be resized
SMALLEST_SIDE = 4  # px; smaller boxes are slips of the mouse
PAUSED_WAIT, PLAYING_WAIT = 30, 1  # ms to wait for a key
HELP = "click, move, click: new object   r: forget all   q: quit"
PAUSE_HELP = "   space: go on"
PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"


def window_problem() -> str | None:
    """Why no window can be shown here, and what to do about it; None when one can."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return "there is no display (DISPLAY is not set)"
    # in a process of its own: Qt ends the whole process when the display that DISPLAY names is gone
    try:
        probe = subprocess.run(
            [sys.executable, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        return "the display does not answer"
    if probe.returncode == 0:
        return None
    if "not implemented" in probe.stderr:
        return (
            "this OpenCV is built without windows (replace opencv-python-headless by opencv-python)"
        )
    return f"the display '{os.environ.get('DISPLAY', '')}' cannot be used"


class BoxDrawing:
    """Boxes drawn with the mouse: click, move, click, or press, drag, release. The right button
    gives the box up.
    """

    def __init__(self):
        self.start: tuple[int, int] | None = None
        self.end: tuple[int, int] | None = None
        self.finished: list[list[float]] = []

    def on_mouse(self, event: int, x: int, y: int, flags: int = 0, param: object = None) -> None:
        """A mouse event of OpenCV at pixel (x, y) of the image."""
        if event == cv2.EVENT_RBUTTONDOWN:
            self.start = None
        elif event == cv2.EVENT_LBUTTONDOWN and self.start is None:
            self.start = self.end = (x, y)
        elif self.start is not None:
            self.end = (x, y)
            moved = max(abs(x - self.start[0]), abs(y - self.start[1])) >= SMALLEST_SIDE
            if event == cv2.EVENT_LBUTTONDOWN or (event == cv2.EVENT_LBUTTONUP and moved):
                self._finish()

    def box_xywh(self) -> list[float] | None:
        """The box as it is drawn at the moment."""
        if self.start is None or self.end is None:
            return None
        left, right = sorted((self.start[0], self.end[0]))
        top, bottom = sorted((self.start[1], self.end[1]))
        return [float(left), float(top), float(right - left), float(bottom - top)]

    def take(self) -> list[list[float]]:
        """The boxes finished since the last call."""
        boxes, self.finished = self.finished, []
        return boxes

    def _finish(self) -> None:
        box = self.box_xywh()
        if box is not None and min(box[2:]) >= SMALLEST_SIDE:
            self.finished.append(box)
        self.start = None


class VideoWindow:
    """A window with the title `title`."""

    def __init__(self, title: str):
        self.title = title
        self.drawing = BoxDrawing()
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.resizeWindow(title, *WINDOW_SIZE)
        cv2.setMouseCallback(title, self.drawing.on_mouse)

    def show(self, picture: np.ndarray, number: int, paused: bool) -> str | None:
        """Show an RGB picture with the box being drawn; returns the key pressed, `q` when the
        window was closed.
        """
        picture = picture.copy()
        box = self.drawing.box_xywh()
        thickness = max(1, round(min(picture.shape[:2]) / 360))
        if box is not None:
            x, y, w, h = (int(value) for value in box)
            cv2.rectangle(picture, (x, y), (x + w, y + h), object_color(number), thickness)
        write_label(
            picture,
            HELP + (PAUSE_HELP if paused else ""),
            (0, 0),
            (255, 255, 255),
            max(1, picture.shape[1] // 480),
        )
        cv2.imshow(self.title, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        code = cv2.waitKey(PAUSED_WAIT if paused else PLAYING_WAIT)
        if cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code & 0xFF).lower() if code >= 0 else None

    def close(self) -> None:
        """Close the window."""
        cv2.destroyWindow(self.title)
