"""Drawing tensors, boxes and masks. matplotlib is imported by the functions that open a figure,
torch by those that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import numpy as np

from ltr.admin.errors import BadValue


def as_boxes(state: Any) -> list[list[float]]:
    """Boxes_xywh of whatever a tracker calls its state: None, one box, a list of boxes, or a dict
    of boxes.
    """
    if state is None:
        return []
    if isinstance(state, Mapping):
        return [list(box) for box in state.values() if box is not None]
    state = [entry for entry in state if entry is not None]
    if state and np.ndim(state[0]) == 0:
        return [[float(value) for value in state]]
    return [list(box) for box in state]


def draw_tracking_panel(
    visdom: Any, image: np.ndarray, box: Any, segmentation: np.ndarray | None = None
) -> None:
    """Send a frame with its boxes (None, one, a list, a dict) and mask to the panel `Tracking` of
    `visdom`.
    """
    shown = [image, *as_boxes(box)] + ([] if segmentation is None else [segmentation])
    visdom.register(tuple(shown), "Tracking", 1, "Tracking")


def as_array(a: Any) -> np.ndarray:
    """A tensor (of any device) or anything array-like as an ndarray."""
    if hasattr(a, "detach"):
        a = a.detach().cpu().numpy()
    return np.asarray(a)


def draw_figure(fig) -> None:
    """Bring a matplotlib figure up to date on the screen."""
    fig.canvas.draw_idle()
    if getattr(fig.canvas, "required_interactive_framework", None) is None:
        fig.canvas.draw()  # no screen (Agg): there are no events to wait for
    else:
        fig.canvas.start_event_loop(0.001)


def show_tensor(
    a: Any,
    fig_num: int | str | None = None,
    title: str | None = None,
    range: tuple[float | None, float | None] = (None, None),
    ax=None,
) -> None:
    """Show `(H, W)` as colours, `(3, H, W)` as an image; dimensions of size 1 are dropped.

    Args:
        range: values of the lowest and the highest colour; None takes them from the data.
        ax: matplotlib axes to draw on, instead of the figure `fig_num`.

    """
    values = as_array(a).squeeze()
    if values.ndim == 3:
        values = values.transpose(1, 2, 0)
    if values.ndim not in (2, 3):
        raise BadValue(f"show_tensor: shape {as_array(a).shape} is no (H, W) nor (3, H, W)")
    axes = _empty_axes(fig_num) if ax is None else ax
    if ax is not None:
        ax.clear()
    axes.imshow(values, vmin=range[0], vmax=range[1])
    axes.set_axis_off()
    axes.set_aspect("equal")
    if title is not None:
        axes.set_title(title)
    draw_figure(axes.figure)


def plot_graph(a: Any, fig_num: int | str | None = None, title: str | None = None) -> None:
    """Plot a one-dimensional tensor over its index."""
    values = as_array(a).squeeze()
    if values.ndim != 1:
        raise BadValue(
            f"plot_graph: shape {as_array(a).shape} has more than one dimension, give one curve"
        )
    axes = _empty_axes(fig_num)
    axes.plot(values)
    if title is not None:
        axes.set_title(title)
    draw_figure(axes.figure)


def _empty_axes(fig_num: int | str | None):
    import matplotlib.pyplot as plt

    figure = plt.figure(fig_num)
    figure.clear()
    figure.tight_layout()
    return figure.add_subplot()


def show_image_with_boxes(
    im: Any, boxes: Any, iou_pred: Any = None, disp_ids: Iterable[int] | None = None
):
    """`im` with `boxes` drawn on it, as a float tensor `(3, H, W)`.

    Args:
        im: `(3, H, W)` or `(1, 3, H, W)`, grey levels 0 to 255; stays as it is.
        boxes: xywh, `(N, 4)` or a single one.
        iou_pred: `(N,)` numbers written beside the boxes.
        disp_ids: which boxes to draw, default all.

    """
    import torch

    image = as_array(im)
    image = image.reshape(image.shape[-3:]).transpose(1, 2, 0)
    image = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    boxes_xywh = as_array(boxes).reshape(-1, 4)
    ious = None if iou_pred is None else as_array(iou_pred).reshape(-1)
    for index in range(len(boxes_xywh)) if disp_ids is None else disp_ids:
        color = object_color(index)
        x, y, _, _ = draw_box(image, boxes_xywh[index], color, 1)
        if ious is not None:
            cv2.putText(
                image,
                f"{ious[index]:.2f}",
                (x, max(y - 2, 8)),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.35,
                color,
                1,
                cv2.LINE_AA,
            )
    return torch.from_numpy(image.transpose(2, 0, 1).copy()).float()


def draw_box(
    image: np.ndarray, box_xywh: Iterable[float], color: tuple[int, int, int], thickness: int
) -> tuple[int, int, int, int]:
    """Draw a box onto `image` (H, W, 3) uint8; returns it as whole pixels."""
    x, y, w, h = (
        round(float(np.clip(value, -1e6, 1e6))) for value in box_xywh
    )  # OpenCV takes 32-bit numbers
    cv2.rectangle(image, (x, y), (x + w, y + h), color, thickness)
    return x, y, w, h


def object_color(index: int) -> tuple[int, int, int]:
    """A vivid RGB colour per number; neighbouring numbers differ most, and there is no last one."""
    hue = (index * 0.618034 % 1) * 179  # golden ratio: each hue falls into the widest gap left
    pixel_hsv = np.array([[[hue, 220, 255]]]).astype(np.uint8)
    color = cv2.cvtColor(pixel_hsv, cv2.COLOR_HSV2RGB)[0, 0]
    return int(color[0]), int(color[1]), int(color[2])


def overlay_mask(
    im: np.ndarray,
    ann: np.ndarray,
    alpha: float = 0.5,
    colors: np.ndarray | None = None,
    contour_thickness: int | None = None,
) -> np.ndarray:
    """`im` (H, W, 3) with the labels of `ann` (H, W) in colour, as uint8.

    Args:
        alpha: what is left of the image within a mask; lowering it makes the colour stronger.
        colors: `(labels, 3)` RGB 0 to 255, row 0 for the background; default the PASCAL VOC
            colours.
        contour_thickness: also draw outlines, in px.

    Raises:
        BadValue: the sizes differ, or a label has no colour.

    """
    im, ann = np.asarray(im), np.asarray(ann)
    if im.ndim != 3 or im.shape[2] != 3 or im.shape[:2] != ann.shape:
        raise BadValue(
            f"overlay_mask: the image has shape {im.shape}, the mask {ann.shape}; give (H, W, 3) "
            "and (H, W)"
        )
    ann = ann.astype(np.int64)
    palette = np.asarray(_pascal_color_map() if colors is None else colors).reshape(-1, 3)
    if ann.min(initial=0) < 0 or ann.max(initial=0) >= len(palette):
        raise BadValue(
            f"overlay_mask: the mask has labels {ann.min()} to {ann.max()}, there are "
            f"{len(palette)} colours"
        )
    foreground = (ann > 0)[..., None]
    blended = np.where(foreground, alpha * im + (1 - alpha) * palette[ann], im)
    result = np.ascontiguousarray(blended.astype(np.uint8))
    if contour_thickness:
        for label in np.unique(ann[ann > 0]):
            contours = cv2.findContours(
                (ann == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
            )[-2]
            cv2.drawContours(
                result, contours, -1, [int(value) for value in palette[label]], contour_thickness
            )
    return result


def _pascal_color_map(N: int = 256, normalized: bool = False) -> np.ndarray:
    """The `(N, 3)` label colours of PASCAL VOC: bit 3k + c of the label is bit 7 - k of channel
    c.
    """
    labels = np.arange(N)[:, None]
    channels = np.arange(3)[None]
    colors = np.zeros((N, 3), np.int64)
    for bit in range(8):
        colors += ((labels >> (3 * bit + channels)) & 1) << (7 - bit)
    return (colors / 255).astype(np.float32) if normalized else colors.astype(np.uint8)
