"""Tracking through one's own videos: `Tracker.run_video_generic`."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.streams import FrameStream, open_stream
from ltr.geometry.checks import is_beyond_sense, is_box
from ltr.io.files import atomic_write
from ltr.io.progress import terminal_bar
from pytracking.evaluation.display import draw_objects
from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper
from pytracking.evaluation.results import save_boxes
from pytracking.evaluation.video import VideoWriter
from pytracking.evaluation.video_window import VideoWindow, window_problem

_log = logging.getLogger(__name__)

# Lines about a run whose number of frames is known, and frames a line of one where it is not.
LINES = 10
UNKNOWN_INTERVAL = 100


class TrackerHarness(Protocol):
    """The part of `evaluation.tracker.Tracker` that a run through a video uses."""

    name: str
    parameter_name: str
    results_dir: str
    tracker_class: Any
    visdom: Any

    def check(self) -> None: ...

    def get_parameters(self) -> Any: ...

    def several_objects_mode(
        self, params: Any, chosen: str | None = None, default: str = ...
    ) -> str: ...

    def create_tracker(self, params: Any) -> Any: ...

    def wait_while_paused(self) -> None: ...

    def _init_visdom(self, visdom_info: dict | None, debug: int) -> None: ...


class InvalidBox(BadValue, AssertionError):
    """A box that no tracker can start from (an AssertionError in pytracking)."""


def run_video(
    harness: TrackerHarness,
    debug: int | None,
    visdom_info: dict | None,
    place: str | os.PathLike | int | None,
    optional_box,
    save_results: bool,
    save_video: str | os.PathLike | None,
) -> dict[Any, list]:
    """See `Tracker.run_video_generic`."""
    boxes = start_boxes(optional_box)
    harness.check()
    with open_stream(place) as source:
        writer = None if save_video is None else VideoWriter(save_video, source.fps, not_over=place)
        frame = source.read()
        if frame is None:
            raise BadValue(
                f"{source.name} has no frame that can be decoded; the file is damaged, copy it "
                "again"
            )
        _check_inside(boxes, frame, source)
        problem = window_problem()
        if problem is not None and not boxes:
            raise BadInput(
                f"{source.name}: there is no box to start from, and none can be drawn because "
                f"{problem} - give it "
                "in pixels with --optional_box X Y W H"
            )
        params = harness.get_parameters()
        params.debug = params.get("debug", 0) if debug is None else debug
        params.tracker_name, params.param_name = harness.name, harness.parameter_name
        harness._init_visdom(visdom_info, params.debug)
        # the folder is made now: better no start than a long run whose boxes cannot be written
        if save_results:
            os.makedirs(harness.results_dir, exist_ok=True)
        elif writer is None and problem is not None:
            _log.warning(
                "nothing of this run is shown or kept; --save_results writes boxes, --save_video "
                "FILE.mp4 a video"
            )
        window = None if problem is not None else VideoWindow(f"Display: {harness.name}")
        recorder = Recorder(
            harness.results_dir if save_results else None,
            source.stem,
            writer,
            bool(params.get("float_boxes", False)),
        )
        try:
            at_end = VideoRun(
                harness, Objects(_build(harness, params)), source, window, recorder
            ).run(frame, boxes)
        finally:  # whatever ends the run, what there is up to here is kept
            if window is not None:
                window.close()
            recorder.finish()
        if at_end:
            source.check_complete()
    return {object_id: list(rows.values()) for object_id, rows in recorder.rows.items()}


def start_boxes(optional_box) -> list[list[float]]:
    """The boxes_xywh in `optional_box`: None, 4 numbers, 4 per object one after the other, or a
    list of boxes.
    """
    if optional_box is None:
        return []
    try:
        numbers = np.asarray(optional_box, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise InvalidBox(
            f"optional_box {optional_box!r} is no list of numbers; give x y w h in pixels"
        ) from None
    if len(numbers) == 0 or len(numbers) % 4:
        raise InvalidBox(
            f"optional_box has {len(numbers)} numbers; give four, x y w h in pixels, for each "
            "object"
        )
    boxes = numbers.reshape(-1, 4)
    for box in boxes:
        if not is_box(box):
            raise InvalidBox(
                f"optional_box {box.tolist()} is no box; give x y w h in pixels with w and h "
                "above 0"
            )
    return boxes.tolist()


def _check_inside(boxes: list[list[float]], frame: np.ndarray, source: FrameStream) -> None:
    height, width = frame.shape[:2]
    for x, y, w, h in boxes:
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise InvalidBox(
                f"optional_box {[x, y, w, h]} lies outside the frames of {source.name}, which have "
                f"{width}x{height} pixels; give x y w h in pixels of the frame"
            )
        if is_beyond_sense((x, y, w, h), (width, height)):
            raise InvalidBox(
                f"optional_box {[x, y, w, h]} is much larger than the frames of {source.name}, "
                f"which have {width}x{height} pixels; give x y w h in pixels of the frame"
            )


def _build(harness: TrackerHarness, params):
    """The tracker of all objects. A class that does not say how it handles several is taken to
    follow one.
    """
    mode = harness.several_objects_mode(params, default="parallel")
    if mode == "parallel":
        return MultiObjectWrapper(harness.tracker_class, params, harness.visdom, fast_load=True)
    if mode != "default":
        raise BadValue(
            f"tracker {harness.name} {harness.parameter_name}: unknown multi object mode "
            f"'{mode}', use 'parallel' "
            "or 'default'"
        )
    tracker = harness.create_tracker(params)
    if hasattr(tracker, "initialize_features"):
        tracker.initialize_features()
    return tracker


class Objects:
    """The tracker and the objects it follows; ids count from 1."""

    def __init__(self, tracker):
        self.tracker = tracker
        self.ids: list[int] = []
        self.output: OrderedDict[str, Any] = OrderedDict()

    def update(self, frame: np.ndarray, new_boxes: list[list[float]]) -> dict[int, Any]:
        """Follow all objects to `frame` and start new ones there; returns the boxes by id."""
        new_ids = list(range(len(self.ids) + 1, len(self.ids) + len(new_boxes) + 1))
        starts = OrderedDict(zip(new_ids, new_boxes, strict=True))
        if not self.ids and not new_ids:
            return {}
        known, self.ids = self.ids, self.ids + new_ids
        info: dict[str, Any] = {"sequence_object_ids": self.ids}
        if new_ids:
            info.update(init_object_ids=new_ids, init_bbox=starts)
        if known:
            out = self.tracker.track(frame, {**info, "previous_output": self.output})
        else:
            out = {
                "target_bbox": starts,
                **(self.tracker.initialize(frame, {**info, "object_ids": new_ids}) or {}),
            }
        self.output = OrderedDict(out)
        boxes = out["target_bbox"]
        return dict(boxes) if isinstance(boxes, Mapping) else {self.ids[0]: boxes}

    def forget(self, frame: np.ndarray) -> None:
        """Follow nothing any more."""
        self.ids, self.output = [], OrderedDict()
        self.tracker.initialize(
            frame,
            {
                "init_object_ids": [],
                "object_ids": [],
                "sequence_object_ids": [],
                "init_bbox": OrderedDict(),
            },
        )


class Recorder:
    """Collects the boxes of every frame and writes them, and the annotated video, at the end.

    Args:
        folder: where box files (`video_<stem>_<id>.txt`) and pictures of masks (`seg_<frame>.jpg`)
            go; None: nowhere.

    """

    def __init__(
        self, folder: str | None, stem: str, writer: VideoWriter | None, decimals: bool = False
    ):
        self.folder = None if folder is None else Path(folder)
        self.stem = stem
        self.writer = writer
        self.decimals = decimals
        self.rows: dict[Any, dict[int, list]] = {}  # object id -> frame -> box_xywh

    def add(
        self, number: int, frame: np.ndarray, boxes: dict[Any, Any], segmentation: np.ndarray | None
    ) -> None:
        """Frame `number` is done."""
        for object_id, box in boxes.items():
            if box is not None:
                self.rows.setdefault(object_id, {})[number] = [float(value) for value in box]
        if self.writer is not None:
            self.writer.write(draw_objects(frame, boxes, segmentation))
        if self.folder is not None and segmentation is not None:
            picture = draw_objects(frame, {}, segmentation)
            with atomic_write(self.folder / f"seg_{number}.jpg") as temporary:
                temporary.write_bytes(
                    cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
                )

    def finish(self) -> None:
        """Write the files and say where they are."""
        if self.writer is not None:
            self.writer.close()
            if self.writer.path.is_file():
                _log.info("video: %s", self.writer.path)
        if self.folder is None:
            return
        for object_id, rows in self.rows.items():
            file = self.folder / f"video_{self.stem}_{object_id}.txt"
            save_boxes(file, list(rows.values()), self.decimals)
            _log.info("object %s, frames %d to %d: %s", object_id, min(rows), max(rows), file)


class VideoRun:
    """The loop over the frames of `source`, shown in `window` if there is one."""

    def __init__(
        self,
        harness: TrackerHarness,
        objects: Objects,
        source: FrameStream,
        window: VideoWindow | None,
        recorder: Recorder,
    ):
        self.harness, self.objects, self.source, self.window, self.recorder = (
            harness,
            objects,
            source,
            window,
            recorder,
        )
        self.paused = window is not None and not source.live  # a video waits for the first box
        self.boxes: dict[int, Any] = {}

    def run(self, frame: np.ndarray | None, boxes: list[list[float]]) -> bool:
        """Track from `frame`, the first one, with objects starting at `boxes`; False when key q
        ended it.
        """
        progress = Progress(self.source.total, quiet=self.window is not None)
        number = 0
        while frame is not None:
            self.harness.wait_while_paused()
            self.boxes = self.objects.update(frame, boxes)
            boxes = []
            go_on = self._show(frame)
            self.recorder.add(number, frame, self.boxes, self._segmentation())
            progress.frame_done()
            if not go_on:
                return False
            frame = self.source.read()
            number += 1
        progress.close()
        return True

    def _segmentation(self) -> np.ndarray | None:
        return self.objects.output.get("segmentation") if self.boxes else None

    def _show(self, frame: np.ndarray) -> bool:
        """Show the frame until the next may come; False when the user wants to end."""
        if self.harness.visdom is not None:
            self.objects.tracker.visdom_draw_tracking(frame, self.boxes, self._segmentation())
        while self.window is not None:
            picture = draw_objects(frame, self.boxes, self._segmentation())
            key = self.window.show(picture, len(self.objects.ids), self.paused)
            if key == "q":
                return False
            if key == "r":
                self.objects.forget(frame)
                self.boxes = {}
                self.recorder.rows.clear()
            elif key == " " and not self.source.live:
                self.paused = not self.paused
            drawn = self.window.drawing.take()
            if drawn:
                self.boxes = self.objects.update(frame, drawn)
            elif not self.paused:
                break
        return True


class Progress:
    """Shows how far a run without a window is: a bar on a terminal, some lines elsewhere. The
    number of frames may be unknown.
    """

    def __init__(self, total: int | None, quiet: bool):
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        # frames between two lines
        self.every = 0 if quiet else UNKNOWN_INTERVAL
        if total and not quiet:
            self.every = max(1, total // LINES)
        self.bar = terminal_bar(total, "tracking", "frames") if self.every else None

    def frame_done(self) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.update()
        elif self.every and self.done % self.every == 0:
            of = f" of {self.total}" if self.total else ""
            _log.info(
                "frame %d%s, %.1f FPS",
                self.done,
                of,
                self.done / max(time.monotonic() - self.start, 1e-9),
            )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
