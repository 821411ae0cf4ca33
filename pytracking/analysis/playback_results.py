"""Watch result files: the frames of a sequence with the boxes of several trackers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from ltr.admin.errors import BadValue, NotConfigured
from ltr.data.image_loader import default_image_loader
from pytracking.analysis.drawing import (
    draw_legend,
    get_plot_draw_styles,
    is_interactive,
    line_style,
)
from pytracking.analysis.eval_cache import tracker_entry
from pytracking.analysis.result_files import missing_result, read_result, result_file
from pytracking.analysis.scores import get_tracker_display_name

HELP = "space: pause / play   left, right: one frame / slower, faster   q: quit"


def playback_results(trackers: Sequence[Any], sequence: Any) -> None:
    """Show a sequence with the boxes of `trackers` (and the ground truth, dashed) until the window
    is closed.

    Keys: space pauses and plays; right and left go one frame on or back when paused, and else
    change the speed by a factor of two, through standstill to backwards; escape or q quits.

    Raises:
        MissingFile: a tracker has no result. BadValue: results of different lengths. NotConfigured:
            there is no screen.

    """
    boxes_TN4 = read_all(trackers, sequence)
    if not is_interactive():
        raise NotConfigured(
            "Playback needs a window, which matplotlib's backend "
            f"'{plt.get_backend()}' cannot show; install a GUI backend, e.g. pip install PyQt6"
        )
    labels = [get_tracker_display_name(tracker_entry(tracker)) for tracker in trackers]
    display = Display(sequence.name, min(boxes_TN4.shape[1], len(sequence.frames)), labels)
    while display.active:
        frame = display.frame_number
        truth = sequence.ground_truth_rect
        truth = (
            truth[frame]
            if not isinstance(truth, dict) and truth is not None and frame < len(truth)
            else None
        )
        display.show(default_image_loader(sequence.frames[frame]), boxes_TN4[:, frame], truth)
        display.advance()
    display.close()


def read_all(trackers: Sequence[Any], sequence: Any) -> np.ndarray:
    """(T, N, 4) boxes of all trackers on a sequence."""
    if not trackers:
        raise BadValue("Playback needs at least one tracker")
    results = []
    for tracker in trackers:
        if not result_file(tracker, sequence).is_file():
            raise missing_result(tracker, sequence)
        results.append(read_result(tracker, sequence).numpy())
    lengths = {
        str(result_file(tracker, sequence)): len(boxes)
        for tracker, boxes in zip(trackers, results, strict=True)
    }
    if len(set(lengths.values())) > 1:
        raise BadValue(
            f"Sequence '{sequence.name}': the results differ in length "
            f"({', '.join(f'{path}: {n}' for path, n in lengths.items())}); run the trackers again"
        )
    return np.stack(results)


class Display:
    """A window with one frame, and what its keys ask for.

    `frame_number` is the frame to show, `step` the frames per update while playing (negative
    backwards, 0 standing), `paused` and `active` the state.
    """

    def __init__(self, name: str, sequence_length: int, labels: Sequence[str]):
        self.name, self.sequence_length, self.labels = name, sequence_length, list(labels)
        self.frame_number, self.step = 0, 1
        self.paused, self.active = False, True
        self._figure: plt.Figure | None = None

    def key(self, name: str | None) -> None:
        """React to a key, given by matplotlib's name."""
        if name in ("escape", "q"):
            self.active = False
        elif name == " ":
            self.paused = not self.paused
        elif name in ("left", "right"):
            direction = 1 if name == "right" else -1
            if self.paused:
                self._go(direction)
            else:
                self.step = _faster(self.step * direction) * direction

    def advance(self) -> None:
        """Go to the next frame, as `step` says; the sequence stops at both ends."""
        if not self.paused:
            self._go(self.step)

    def show(
        self, image: np.ndarray, boxes_xywh: np.ndarray, truth_xywh: np.ndarray | None = None
    ) -> None:
        """Show an (H, W, 3) frame with one box per tracker, and let the window handle keys for a
        moment.
        """
        if self._figure is None:
            self._open(image)
        self._picture.set_data(image)
        for rectangle, box in zip(self._rectangles, [*boxes_xywh, truth_xywh], strict=True):
            rectangle.set_visible(box is not None and bool(np.isfinite(box).all()))
            if rectangle.get_visible():
                rectangle.set_bounds(*box)
        speed = "paused" if self.paused else f"x{self.step}"
        self._axes.set_title(
            f"{self.name}   {self.frame_number + 1} / {self.sequence_length}   {speed}"
        )
        plt.pause(0.001)

    def close(self) -> None:
        """Close the window."""
        if self._figure is not None:
            plt.close(self._figure)

    def _go(self, frames: int) -> None:
        self.frame_number = min(max(self.frame_number + frames, 0), self.sequence_length - 1)

    def _open(self, image: np.ndarray) -> None:
        self._figure, self._axes = plt.subplots(figsize=(9.6, 7.2), layout="constrained")
        manager = self._figure.canvas.manager
        if (
            manager is not None and manager.key_press_handler_id is not None
        ):  # matplotlib's own meaning of our keys
            self._figure.canvas.mpl_disconnect(manager.key_press_handler_id)
        self._axes.axis("off")
        self._picture = self._axes.imshow(image)
        styles = get_plot_draw_styles()
        self._rectangles = [
            Rectangle((0, 0), 1, 1, fill=False, linewidth=2, **line_style(t, styles))
            for t in range(len(self.labels))
        ]
        self._rectangles.append(
            Rectangle((0, 0), 1, 1, fill=False, linewidth=1.5, edgecolor="white", linestyle="--")
        )
        for rectangle in self._rectangles:
            self._axes.add_patch(rectangle)
        draw_legend(
            self._axes, self._rectangles[:-1], self.labels, loc="upper right", framealpha=0.7
        )
        self._figure.supxlabel(HELP, fontsize=9)
        self._figure.canvas.mpl_connect("key_press_event", lambda event: self.key(event.key))
        self._figure.canvas.mpl_connect("close_event", lambda event: self.key("q"))


def _faster(step: int) -> int:
    """Return the next higher speed: …, -2, -1, 0, 1, 2, 4 and so on."""
    if step in (-1, 0):
        return step + 1
    return 2 * step if step > 0 else step // 2
