"""The live view of a run with `--debug 1`: the frame and its boxes in a matplotlib window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

COLORS = ("red", "lime", "deepskyblue", "yellow", "magenta", "cyan", "orange", "white")


def as_boxes(state: Any) -> list[list[float]]:
    """Boxes_xywh of whatever a tracker calls its state: None, one box, a list of boxes, or a dict of boxes."""
    if state is None:
        return []
    if isinstance(state, Mapping):
        return [list(box) for box in state.values() if box is not None]
    state = [entry for entry in state if entry is not None]
    if state and np.ndim(state[0]) == 0:
        return [state]
    return [list(box) for box in state]


class FigureDisplay:
    """One window that shows the current frame; `on_key(event)` is called for keys pressed in it."""

    def __init__(self, title: str, on_key=None):
        import matplotlib.pyplot as plt

        self._plt = plt
        self.figure, self.axes = plt.subplots(num=title, clear=True)
        self.axes.set_axis_off()
        self.figure.tight_layout()
        if on_key is not None:
            self.figure.canvas.mpl_connect("key_press_event", on_key)

    def show(self, image: np.ndarray, state: Any, segmentation: np.ndarray | None = None) -> None:
        """Draw `image` (H, W, 3) RGB, the boxes of `state`, and the mask when there is one."""
        from matplotlib.patches import Rectangle

        self.axes.clear()
        self.axes.set_axis_off()
        self.axes.imshow(image)
        for index, (x, y, w, h) in enumerate(as_boxes(state)):
            self.axes.add_patch(Rectangle((x, y), w, h, fill=False, linewidth=2, edgecolor=COLORS[index % len(COLORS)]))
        if segmentation is not None:
            self.axes.imshow(np.ma.masked_equal(np.asarray(segmentation), 0), alpha=0.5, cmap="tab10", vmin=0, vmax=10)
        self.wait(0.001)

    def wait(self, seconds: float) -> None:
        """Let the window draw and take keys; without a screen (Agg) only draw."""
        self.figure.canvas.draw_idle()
        if getattr(self.figure.canvas, "required_interactive_framework", None) is None:
            self.figure.canvas.draw()
        else:
            self._plt.pause(seconds)

    def close(self) -> None:
        """Close the window."""
        self._plt.close(self.figure)
