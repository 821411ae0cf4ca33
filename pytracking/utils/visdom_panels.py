"""The kinds of panels that `Visdom.register` offers. Each keeps its data, so that it can be hidden
and shown again.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ltr.admin.errors import BadValue
from pytracking.utils.plotting import (
    as_array,
    draw_box,
    object_color,
    overlay_mask,
    show_image_with_boxes,
)

LONGEST_SIDE = 480  # px of a frame sent to the browser; raising it costs bandwidth
LINE_WIDTH = 2
ARROWS = {
    "ArrowRight": (0, 1),
    "ArrowLeft": (0, -1),
    "ArrowUp": (-1, 0),
    "ArrowDown": (1, 0),
}  # rows, columns


class VisBase:
    """A panel: `visdom` is the client, `title` names the panel and its window, `show_data` whether
    it is shown.
    """

    def __init__(self, visdom, show_data: bool, title: str):
        self.visdom = visdom
        self.show_data = show_data
        self.title = title
        self.raw_data: Any = None

    def update(self, data: Any, **kwargs: Any) -> None:
        """Take new data, and draw it if the panel is shown."""
        self.save_data(data, **kwargs)
        if self.show_data:
            self.draw_data()

    def save_data(self, data: Any, **kwargs: Any) -> None:
        """Keep what `draw_data` needs."""
        self.raw_data = data

    def draw_data(self) -> None:
        """Send the kept data to the browser."""
        raise NotImplementedError(f"{type(self).__name__} defines no draw_data")

    def toggle_display(self, new_mode: bool | None = None) -> None:
        """Show or hide the panel; without `new_mode` the other of the two."""
        self.show_data = not self.show_data if new_mode is None else bool(new_mode)
        if not self.show_data:
            self.close()
        elif self.raw_data is not None:
            self.draw_data()

    def close(self) -> None:
        """Remove the panel's windows."""
        self.visdom.close(self.title)

    def _listen(self, window: str) -> None:
        self.visdom.register_event_handler(self.handle, window)

    def handle(self, event: dict[str, Any]) -> None:
        """An event (key, changed property) of the panel's window."""

    def _heatmap(self, values_HW: np.ndarray, window: str | None = None, caption: str = "") -> None:
        """Row 0 at the top: visdom counts rows from the bottom."""
        self.visdom.heatmap(
            values_HW[::-1].copy(),
            opts={"title": window or self.title, "caption": caption},
            win=window or self.title,
        )


class VisImage(VisBase):
    """`(3, H, W)` or `(H, W, 3)`, grey levels 0 to 255, or 0 to 1 as floats."""

    def save_data(self, data: Any, **kwargs: Any) -> None:
        image = as_array(data)
        first, rows, last = image.shape[-3:]
        image = image.reshape(first, rows, last)
        colours_last = last == 3 and first not in (1, 3)
        self.raw_data = image.transpose(2, 0, 1) if colours_last else image

    def draw_data(self) -> None:
        self.visdom.image(self.raw_data, opts={"title": self.title}, win=self.title)


class VisHeatmap(VisBase):
    """`(H, W)`; dimensions of size 1 are dropped."""

    def save_data(self, data: Any, **kwargs: Any) -> None:
        self.raw_data = _two_dimensional(as_array(data).squeeze(), self.title)

    def draw_data(self) -> None:
        self._heatmap(self.raw_data)


class VisCostVolume(VisBase):
    """Similarities `(h, w, h, w)` of every cell with every cell: a grid of maps. `flip` lays it out
    by the second cell.
    """

    def __init__(self, visdom, show_data: bool, title: str, flip: bool = False):
        super().__init__(visdom, show_data, title)
        self.flip = flip

    def save_data(self, data: Any, **kwargs: Any) -> None:
        self.raw_data = _tiles(as_array(data), self.title, self.flip)

    def draw_data(self) -> None:
        self._heatmap(self.raw_data)


class VisCostVolumeUI(VisBase):
    """`(image, (rows, columns))`: a picture of rows x columns tiles, or a cost volume.

    Arrow keys move over the tiles; Enter changes between the whole and the chosen tile.
    """

    def __init__(self, visdom, show_data: bool, title: str):
        super().__init__(visdom, show_data, title)
        self.slice_mode = False
        self.cell = (0, 0)
        self._listen(title)

    def save_data(self, data: Any, **kwargs: Any) -> None:
        image, grid = as_array(data[0]), tuple(int(size) for size in data[1])
        if image.ndim != 2:
            image = _tiles(
                image if image.ndim == 4 else image.reshape(*grid, *grid), self.title, flip=False
            )
        self.raw_data, self.grid = image, grid
        self.cell = (min(self.cell[0], grid[0] - 1), min(self.cell[1], grid[1] - 1))

    def draw_data(self) -> None:
        row, column = self.cell
        height, width = (
            self.raw_data.shape[0] // self.grid[0],
            self.raw_data.shape[1] // self.grid[1],
        )
        tile = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
        self._heatmap(
            self.raw_data[tile] if self.slice_mode else self.raw_data,
            caption=f"row {row}, column {column}",
        )

    def handle(self, event: dict[str, Any]) -> None:
        if event.get("event_type") != "KeyPress" or self.raw_data is None:
            return
        if event["key"] == "Enter":
            self.slice_mode = not self.slice_mode
        elif event["key"] in ARROWS:
            down, right = ARROWS[event["key"]]
            self.cell = (
                (self.cell[0] + down) % self.grid[0],
                (self.cell[1] + right) % self.grid[1],
            )
        else:
            return
        if self.show_data:
            self.draw_data()


class VisInfoDict(VisBase):
    """A dict of values, merged into what is shown: one line each, two decimals unless text or whole
    number.
    """

    def save_data(self, data: dict[str, Any], **kwargs: Any) -> None:
        self.raw_data = {**(self.raw_data or {}), **data}

    def draw_data(self) -> None:
        lines = [
            f"{key}: {value if isinstance(value, (str, int, np.integer)) else format(float(value), '.2f')}<br>"  # noqa: E501
            for key, value in self.raw_data.items()
        ]
        self.visdom.text("".join(lines), opts={"title": self.title}, win=self.title)


class VisText(VisBase):
    """HTML text."""

    def draw_data(self) -> None:
        self.visdom.text(self.raw_data, opts={"title": self.title}, win=self.title)


class VisLinePlot(VisBase):
    """A curve: y, or `(y, x)`."""

    def save_data(self, data: Any, **kwargs: Any) -> None:
        y, x = (
            data
            if isinstance(data, (tuple, list)) and len(data) == 2 and np.ndim(as_array(data[0]))
            else (data, None)
        )
        y = np.atleast_1d(as_array(y).squeeze())
        self.raw_data = (
            y,
            np.arange(len(y)) if x is None else np.atleast_1d(as_array(x).squeeze()),
        )

    def draw_data(self) -> None:
        self.visdom.line(*self.raw_data, opts={"title": self.title}, win=self.title)


class VisTracking(VisBase):
    """`(image, *boxes, *masks)`: the RGB frame `(H, W, 3)` with boxes xywh and `(H, W)` masks or
    label images.
    """

    def save_data(self, data: tuple, **kwargs: Any) -> None:
        arrays = [as_array(part) for part in data[1:]]
        boxes = [array.reshape(-1) for array in arrays if array.size == 4 and array.ndim < 3]
        masks = [array.squeeze() for array in arrays if array.size != 4]
        self.raw_data = (as_array(data[0]), boxes, masks)

    def draw_data(self) -> None:
        image, boxes, masks = self.raw_data
        scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        picture = np.ascontiguousarray(
            cv2.resize(image.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        )
        for mask in masks:
            labels = cv2.resize(
                np.asarray(mask).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST
            )
            picture = overlay_mask(picture, labels)
        for index, box in enumerate(boxes):
            if np.isfinite(box).all():
                draw_box(picture, box * scale, object_color(index), LINE_WIDTH)
        self.visdom.image(picture.transpose(2, 0, 1), opts={"title": self.title}, win=self.title)


class VisBBReg(VisBase):
    """`(image, init_boxes, final_boxes, final_ious)`: boxes before (left) and after (right) a
    refinement.
    """

    def draw_data(self) -> None:
        image, before, after, ious = self.raw_data
        pictures = [
            show_image_with_boxes(image, before).numpy(),
            show_image_with_boxes(image, after, ious).numpy(),
        ]
        self.visdom.images(np.stack(pictures), nrow=2, opts={"title": self.title}, win=self.title)


class VisFeaturemap(VisBase):
    """Channels `(C, h, w)`, shown for those that are ticked in the panel; the first one at the
    start.
    """

    def __init__(self, visdom, show_data: bool, title: str):
        super().__init__(visdom, show_data, title)
        self.chosen: list[bool] = []
        self._listen(title)

    def save_data(self, data: Any, **kwargs: Any) -> None:
        maps = as_array(data)
        self.raw_data = maps.reshape(-1, *maps.shape[-2:])
        if len(self.chosen) != len(self.raw_data):
            self.chosen = [channel == 0 for channel in range(len(self.raw_data))]
            self._boxes_drawn = False

    def draw_data(self) -> None:
        if not self._boxes_drawn:
            self._draw_boxes()
        for channel, chosen in enumerate(self.chosen):
            if chosen:
                self._heatmap(self.raw_data[channel], self._window(channel))

    def _draw_boxes(self) -> None:
        boxes = [
            {"type": "checkbox", "name": f"Channel {channel}", "value": chosen}
            for channel, chosen in enumerate(self.chosen)
        ]
        self.visdom.properties(boxes, opts={"title": self.title}, win=self.title)
        self._boxes_drawn = True

    def _window(self, channel: int) -> str:
        return f"{self.title} channel {channel}"

    def handle(self, event: dict[str, Any]) -> None:
        if event.get("event_type") != "PropertyUpdate":
            return
        channel = event["propertyId"]
        self.chosen[channel] = not self.chosen[channel]
        if not self.chosen[channel]:
            self.visdom.close(self._window(channel))
        self._draw_boxes()
        self.draw_data()

    def close(self) -> None:
        super().close()
        self._boxes_drawn = False
        for channel, chosen in enumerate(self.chosen):
            if chosen:
                self.visdom.close(self._window(channel))


def _two_dimensional(values: np.ndarray, title: str) -> np.ndarray:
    if values.ndim != 2:
        raise BadValue(f"visdom panel '{title}': a heat map needs (H, W), not {values.shape}")
    return values


def _tiles(volume: np.ndarray, title: str, flip: bool) -> np.ndarray:
    """`(h, w, h, w)` as a picture of h x w tiles, the map of one cell each."""
    if volume.ndim != 4:
        raise BadValue(
            f"visdom panel '{title}': a cost volume has shape (h, w, h, w), not {volume.shape}"
        )
    h, w, other_h, other_w = volume.shape
    return (volume.transpose(2, 0, 3, 1) if flip else volume.transpose(0, 2, 1, 3)).reshape(
        h * other_h, w * other_w
    )
