"""Pictures of tracking: boxes and masks drawn on a frame, and the matplotlib window of a run with
`--debug 1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pytracking.utils.plotting import as_boxes, draw_box, object_color, overlay_mask


def draw_objects(
    image: np.ndarray, boxes_xywh: Mapping[Any, Any], segmentation: np.ndarray | None = None
) -> np.ndarray:
    """A copy of the RGB frame with the boxes and label image of all objects; several are numbered
    with their ids.
    """
    picture = image.copy()
    if segmentation is not None:
        labels = np.asarray(segmentation).astype(np.int64)
        colors = np.array(
            [(0, 0, 0), *(object_color(label - 1) for label in range(1, labels.max(initial=0) + 1))]
        )
        picture = overlay_mask(picture, labels, colors=colors)
    thickness = max(2, round(min(image.shape[:2]) / 240))
    for number, (object_id, box) in enumerate(boxes_xywh.items()):
        if box is None or not np.isfinite(box).all():
            continue
        color = object_color(int(object_id) - 1 if str(object_id).isdecimal() else number)
        x, y, _, _ = draw_box(picture, box, color, thickness)
        if len(boxes_xywh) > 1:
            write_label(picture, str(object_id), (x, y), color, thickness)
    return picture


def write_label(
    picture: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: tuple[int, int, int],
    thickness: int,
) -> None:
    """Write `text` on a patch of `color` above the point `corner` (x, y) of `picture`, or below
    where there is no room.
    """
    scale = 0.22 * thickness + 0.1
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = min(max(corner[0], 0), max(picture.shape[1] - width - 4, 0))
    y = corner[1] if corner[1] > height + base else corner[1] + height + base + 2
    cv2.rectangle(picture, (x, y - height - base), (x + width + 3, y), color, -1)
    cv2.putText(
        picture,
        text,
        (x + 2, y - base + 1),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (0, 0, 0),
        1,
        cv2.LINE_AA,
    )


class FigureDisplay:
    """A window that shows the current frame; `on_key(event)` is called for keys pressed in it."""

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
            color = tuple(channel / 255 for channel in object_color(index))
            self.axes.add_patch(Rectangle((x, y), w, h, fill=False, linewidth=2, edgecolor=color))
        if segmentation is not None:
            self.axes.imshow(
                np.ma.masked_equal(np.asarray(segmentation), 0),
                alpha=0.5,
                cmap="tab10",
                vmin=0,
                vmax=10,
            )
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
