"""The live view of a run with `--debug 1`: panels on a visdom server, or a matplotlib window."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ltr.admin.errors import NotConfigured
from pytracking.evaluation.display import FigureDisplay
from pytracking.utils.visdom import Visdom

HELP_PANEL = (
    "<b>Keys in the panel Tracking</b><br>space: pause, go on<br>right arrow: one frame while "
    "paused<br>"
    "<b>Block List</b> shows and hides panels"
)


class LiveView:
    """The part of a `Tracker` that people see: `visdom` (panels, or None), a window, and whether it
    is paused.
    """

    name: str
    parameter_name: str

    def __init__(self):
        self.visdom = None
        self.pause_mode = False
        self.step = False
        self._display: FigureDisplay | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "_display": None,
            "visdom": None,
        }  # windows and connections stay in their process

    def show_frame(
        self, tracker, image: np.ndarray, boxes, segmentation: np.ndarray | None
    ) -> None:
        """Show a frame in the panel `Tracking`, or in the window, whichever there is."""
        if self.visdom is not None:
            tracker.visdom_draw_tracking(image, boxes, segmentation)
        else:
            self.visualize(image, boxes, segmentation)

    def init_visualization(self) -> None:
        """Open the window. Its keys: p pauses and goes on, r calls `reset_tracker`."""
        self.pause_mode = False
        self._display = FigureDisplay(
            f"Display: {self.name} {self.parameter_name}", on_key=self.press
        )

    def close_visualization(self) -> None:
        """Close the window."""
        if self._display is not None:
            self._display.close()
            self._display = None

    def visualize(self, image: np.ndarray, state, segmentation: np.ndarray | None = None) -> None:
        """Show `image` with the box, the list or the dict of boxes `state`, if a window is open."""
        if self._display is not None:
            self._display.show(image, state, segmentation)

    def reset_tracker(self) -> None:
        """Called by key r; does nothing here."""

    def press(self, event) -> None:
        """Key pressed in the window."""
        if event.key == "p":
            self.pause_mode = not self.pause_mode
        elif event.key == "r":
            self.reset_tracker()

    def _init_visdom(self, visdom_info: dict | None, debug: int) -> None:
        """Connect to the visdom server when `debug` is above 0; without one, say so and go on with
        matplotlib.
        """
        visdom_info = visdom_info or {}
        self.visdom, self.pause_mode, self.step = None, False, False
        if not debug or not visdom_info.get("use_visdom", True):
            return
        try:
            self.visdom = Visdom(
                debug, {"handler": self._on_visdom_event, "win_id": "Tracking"}, visdom_info
            )
            self.visdom.register(HELP_PANEL, "text", 1, "Help")
        except (NotConfigured, OSError) as error:
            self.visdom = None
            print(
                "!!! WARNING: Visdom could not start, so using matplotlib visualization instead "
                "!!!\n"
                f"!!! {error} (--use_visdom false: do not try) !!!"
            )

    def _on_visdom_event(self, event: dict[str, Any]) -> None:
        """Key in the panel Tracking: space pauses and goes on, the right arrow lets one frame
        through.
        """
        if event.get("event_type") == "KeyPress":
            if event["key"] == " ":
                self.pause_mode = not self.pause_mode
            elif event["key"] == "ArrowRight" and self.pause_mode:
                self.step = True

    def wait_while_paused(self) -> None:
        """Return when the next frame may come."""
        while (
            self.pause_mode
            and not self.step
            and (self._display is not None or self.visdom is not None)
        ):
            if self._display is not None:
                self._display.wait(0.1)
            else:
                time.sleep(0.1)
        self.step = False
