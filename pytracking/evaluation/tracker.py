"""A tracker with its parameters, and running it on a sequence."""

from __future__ import annotations

import importlib
import numbers
import time
from collections import OrderedDict
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured, suggestion
from ltr.data.image_loader import default_image_loader
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.display import FigureDisplay
from pytracking.evaluation.environment import env_settings, local_file
from pytracking.utils.plugins import importable, modules_in

OUTPUT_KEYS = ("target_bbox", "time", "segmentation", "object_presence_score")
PRESENCE_THRESHOLD = 0.55  # default of params.object_presence_score_threshold


def trackerlist(name: str, parameter_name: str, run_ids: int | Iterable[int] | None = None,
                display_name: str | None = None) -> list[Tracker]:
    """One Tracker per run id; None or a single number gives one."""
    if run_ids is None or isinstance(run_ids, numbers.Integral):
        run_ids = [run_ids]
    return [Tracker(name, parameter_name, run_id, display_name) for run_id in run_ids]


class Tracker:
    """Tracker `name` with parameter file `parameter_name`.

    Args:
        run_id: number of a repetition; its results get a folder of their own.
        display_name: label in tables and plots.
        device: 'cpu', 'cuda:1', … for its networks instead of what the parameter file says.

    A tracker without code here (`tracker_class` None) can be analysed from its result files, not run.
    """

    def __init__(self, name: str, parameter_name: str, run_id: int | None = None, display_name: str | None = None,
                 device: str | None = None):
        if run_id is not None and not isinstance(run_id, numbers.Integral):
            raise TypeError(f"tracker {name} {parameter_name}: run_id must be a whole number or None, not {run_id!r}")
        self.name = name
        self.parameter_name = parameter_name
        self.run_id = run_id
        self.display_name = display_name
        self.device = device
        self.visdom = None
        settings = env_settings()
        variant = parameter_name if run_id is None else f"{parameter_name}_{run_id:03d}"
        self.results_dir = _result_folder(settings, "results_path", name, variant)
        self.segmentation_dir = _result_folder(settings, "segmentation_path", name, variant)
        self.tracker_class = _tracker_class(name)
        self.pause_mode = False
        self._display: FigureDisplay | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_display": None}  # a window stays in its process

    def __repr__(self) -> str:
        return f"Tracker {self.name} {self.parameter_name} {self.run_id}"

    def create_tracker(self, params) -> Any:
        """A new instance of the tracker class with `params`."""
        if self.tracker_class is None:
            raise MissingFile(f"tracker {self.name}: there is no package pytracking/tracker/{self.name} with "
                              "get_tracker_class() in its __init__.py, nor a plug-in of that name"
                              f"{suggestion(self.name, modules_in('pytracking.tracker'))}")
        tracker = self.tracker_class(params)
        tracker.visdom = self.visdom
        return tracker

    def get_parameters(self):
        """The parameters, from a new call of the parameter file's `parameters()`."""
        params = self._parameter_module().parameters()
        if params is None:
            raise BadInput(f"parameters {self.name} {self.parameter_name}: parameters() returns nothing - end it with "
                           "`return params`")
        if self.device is not None:
            params.use_gpu = not str(self.device).startswith("cpu")
            for value in vars(params).values():
                if hasattr(type(value), "set_device"):
                    value.set_device(self.device)
        return params

    def _parameter_module(self) -> ModuleType:
        package = f"pytracking.parameter.{self.name}"
        module = f"{package}.{self.parameter_name}"
        if not importable(package):
            raise MissingFile(f"tracker {self.name}: there is no folder pytracking/parameter/{self.name}"
                              f"{suggestion(self.name, modules_in('pytracking.parameter'))}")
        if not importable(module):
            known = modules_in(package)
            raise MissingFile(f"tracker {self.name}: there is no parameter file pytracking/parameter/{self.name}/"
                              f"{self.parameter_name}.py{suggestion(self.parameter_name, known)} - there are "
                              f"{', '.join(known) or 'none'}")
        return importlib.import_module(module)

    def check(self) -> None:
        """Raise BadInput now for what would fail on every sequence: no tracker code, parameter file or network file."""
        if self.tracker_class is None:
            self.create_tracker(None)
        for value in vars(self.get_parameters()).values():
            if hasattr(type(value), "check_file"):
                value.check_file()

    def run_sequence(self, seq: Sequence, visualization: bool | None = None, debug: int | None = None,
                     visdom_info: dict | None = None, multiobj_mode: str | None = None) -> dict[str, Any]:
        """Track through `seq`.

        Args:
            visualization: show the frames; default: what the parameters say, or with `debug` given whether it is not 0.
            debug: level for the tracker, default `params.debug`.
            multiobj_mode: how sequences with several objects are handled, default what parameters or tracker class say.

        Returns:
            Lists over frames `target_bbox` [x, y, w, h], `time` in seconds, `segmentation`, `object_presence_score`, as
            far as the tracker gives them (the first frame has the start box, and score 1), and `image_shape` (H, W),
            `object_presence_score_threshold`, `float_boxes` (whether result files keep decimals).
        """
        params = self.get_parameters()
        if visualization is None:
            visualization = params.get("visualization", False) if debug is None else bool(debug)
        params.visualization = visualization
        params.debug = params.get("debug", 0) if debug is None else debug

        init_info = seq.init_info()
        mode = (multiobj_mode or params.get("multiobj_mode", None)
                or getattr(self.tracker_class, "multiobj_mode", "default"))
        if seq.multiobj_mode and mode != "default":
            raise BadValue(f"tracker {self.name} {self.parameter_name}, sequence {seq.name}: unknown multi object mode "
                           f"'{mode}', use 'default' with a tracker that follows several objects itself")
        tracker = self.create_tracker(params)
        if visualization:
            self.init_visualization()
        try:
            output = self._track_sequence(tracker, seq, init_info)
        finally:
            if self._display is not None:
                self._display.close()
                self._display = None
        output["object_presence_score_threshold"] = params.get("object_presence_score_threshold", PRESENCE_THRESHOLD)
        output["float_boxes"] = bool(params.get("float_boxes", False))
        return output

    def _track_sequence(self, tracker, seq: Sequence, init_info: dict[str, Any]) -> dict[str, Any]:
        _check_start(seq, init_info)
        lists: dict[str, list] = {key: [] for key in OUTPUT_KEYS}

        def store(out: dict[str, Any], defaults: dict[str, Any]) -> None:
            for key, values in lists.items():
                value = out.get(key, defaults.get(key))
                if key in out or value is not None:
                    values.append(value)

        image = self._read_image(seq.frames[0])
        self.visualize(image, init_info.get("init_bbox"), init_info.get("init_mask"))
        start = time.perf_counter()
        out = tracker.initialize(image, init_info) or {}
        store(out, {"target_bbox": init_info.get("init_bbox"), "time": time.perf_counter() - start,
                    "segmentation": init_info.get("init_mask"), "object_presence_score": 1.0})
        for number, path in enumerate(seq.frames[1:], start=1):
            self._wait_while_paused()
            image = self._read_image(path)
            info = seq.frame_info(number)
            info["previous_output"] = OrderedDict(out)
            start = time.perf_counter()
            out = tracker.track(image, info)
            elapsed = time.perf_counter() - start
            if not isinstance(out, dict) or "target_bbox" not in out:
                raise BadInput(f"tracker {self.name}: track() must return a dict with 'target_bbox', on frame {number} "
                               f"of {seq.name} it did not")
            store(out, {"time": elapsed})
            self.visualize(image, [*_drawn_boxes(out)], out.get("segmentation"))

        for key in ("target_bbox", "segmentation"):
            if len(lists[key]) < min(2, len(seq.frames)):  # only the start was known
                del lists[key]
        return {**lists, "image_shape": image.shape[:2]}

    @staticmethod
    def _read_image(image_file: str) -> np.ndarray:
        """The image as RGB uint8 (H, W, 3)."""
        return default_image_loader(image_file)

    def init_visualization(self) -> None:
        """Open the window. Its keys: p pauses and goes on, r calls `reset_tracker`."""
        self.pause_mode = False
        self._display = FigureDisplay(f"Display: {self.name} {self.parameter_name}", on_key=self.press)

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

    def _wait_while_paused(self) -> None:
        while self.pause_mode and self._display is not None:
            self._display.wait(0.1)


def _result_folder(settings, attribute: str, name: str, variant: str) -> str:
    folder = getattr(settings, attribute, "")
    if not folder:
        raise NotConfigured(f"{attribute} is empty in {local_file()} - set it to a folder for results")
    return f"{folder}/{name}/{variant}"


def _tracker_class(name: str) -> type | None:
    """What the tracker's package says its class is; None when there is no such package."""
    module = f"pytracking.tracker.{name}"
    if not importable(module):
        return None
    package = importlib.import_module(module)
    if not hasattr(package, "get_tracker_class"):
        if package.__spec__.origin is None:  # a folder without __init__.py, such as one that held only __pycache__
            return None
        raise BadInput(f"{package.__file__} defines no get_tracker_class() - add it, returning the tracker's class")
    return package.get_tracker_class()


def _check_start(seq: Sequence, init_info: dict[str, Any]) -> None:
    if not seq.frames:
        raise BadInput(f"sequence {seq.name} has no frames")
    box = init_info.get("init_bbox")
    if box is None and "init_mask" not in init_info:
        raise BadInput(f"sequence {seq.name} has no box on its first frame to start from")
    for one in box.values() if isinstance(box, dict) else [box]:
        if one is not None and not (np.isfinite(one).all() and one[2] > 0 and one[3] > 0):
            values = ", ".join(f"{value:g}" for value in one)
            raise BadValue(f"sequence {seq.name}: the first box [{values}] (x, y, w, h) is no box to start from - "
                           "correct the first row of its ground truth")


def _drawn_boxes(out: dict[str, Any]) -> list:
    """Boxes to draw for one frame: the target first, then what else the tracker wants shown."""
    target = out["target_bbox"]
    boxes = list(target.values()) if isinstance(target, dict) else [target]
    return boxes + [out[key] for key in ("clf_target_bbox", "clf_search_area", "segm_search_area") if key in out]
