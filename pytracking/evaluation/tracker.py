"""A tracker with its parameters, and running it on a sequence."""

from __future__ import annotations

import copy
import importlib
import numbers
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured, suggestion
from ltr.data.image_loader import default_image_loader
from ltr.geometry.checks import is_box
from ltr.io.plugins import importable, modules_in
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.environment import env_settings, local_file
from pytracking.evaluation.live_view import LiveView
from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper
from pytracking.evaluation.video_run import run_video
from pytracking.evaluation.vot_run import run_vot, run_vot2020
from pytracking.utils.plotting import as_boxes

OUTPUT_KEYS = ("target_bbox", "time", "segmentation", "object_presence_score")
PRESENCE_THRESHOLD = 0.55  # default of params.object_presence_score_threshold


@dataclass(frozen=True)
class Step:
    """A frame to track: the image, RGB uint8 (H, W, 3), and the information that goes with it."""

    image: np.ndarray
    info: dict[str, Any]


# What is sent is the output of `track` and its seconds; None at the start.
Steps = Generator[Step, Any, dict[str, Any]]


def trackerlist(
    name: str,
    parameter_name: str,
    run_ids: int | Iterable[int] | None = None,
    display_name: str | None = None,
) -> list[Tracker]:
    """Return one Tracker per run id; None or a single number gives one."""
    ids: Any = run_ids
    if run_ids is None or isinstance(run_ids, numbers.Integral):
        ids = [run_ids]
    return [Tracker(name, parameter_name, run_id, display_name) for run_id in ids]


class Tracker(LiveView):
    """Tracker `name` with parameter file `parameter_name`.

    Args:
        run_id: number of a repetition; its results get a folder of their own.
        display_name: label in tables and plots.
        device: 'cpu', 'cuda:1', … for its networks instead of what the parameter file says.

    A tracker without code here (`tracker_class` None) can be analysed from its result files, not
    run.

    """

    def __init__(
        self,
        name: str,
        parameter_name: str,
        run_id: int | None = None,
        display_name: str | None = None,
        device: str | None = None,
    ):
        super().__init__()
        if run_id is not None and not isinstance(run_id, numbers.Integral):
            raise TypeError(
                f"tracker {name} {parameter_name}: run_id must be a whole number or None, not "
                f"{run_id!r}"
            )
        self.name = name
        self.parameter_name = parameter_name
        self.run_id: int | None = run_id
        self.display_name = display_name
        self.device = device
        self.results_dir, self.segmentation_dir = self._result_folders()
        self.tracker_class: Any = _tracker_class(name)

    def __repr__(self) -> str:
        return f"Tracker {self.name} {self.parameter_name} {self.run_id}"

    def _result_folders(self) -> tuple[str, str]:
        """Return the folders for boxes and for segmentations, as local.py says."""
        settings = env_settings()
        variant = self.parameter_name
        if self.run_id is not None:
            variant += f"_{self.run_id:03d}"
        return (
            _result_folder(settings, "results_path", self.name, variant),
            _result_folder(settings, "segmentation_path", self.name, variant),
        )

    def create_tracker(self, params) -> Any:
        """A new instance of the tracker class with `params`."""
        self._require_class()
        tracker = self.tracker_class(params)
        tracker.visdom = self.visdom
        return tracker

    def _require_class(self) -> None:
        if self.tracker_class is None:
            raise MissingFile(
                f"tracker {self.name}: there is no package pytracking/tracker/{self.name} with "
                "get_tracker_class() in its __init__.py, nor a plug-in of that name"
                f"{suggestion(self.name, modules_in('pytracking.tracker'))}"
            )

    def get_parameters(self):
        """The parameters, from a new call of the parameter file's `parameters()`."""
        params = self._parameter_module().parameters()
        if params is None:
            raise BadInput(
                f"parameters {self.name} {self.parameter_name}: parameters() returns nothing - "
                "end it with "
                "`return params`"
            )
        if self.device is not None:
            for value in vars(params).values():
                if hasattr(type(value), "set_device"):
                    value.set_device(self.device)
            _use_device(params, str(self.device))
        elif getattr(params, "use_gpu", False) and not _has_gpu():
            # The network says that it runs on the CPU; the tracker's own tensors follow it there.
            _use_device(params, "cpu")
        return params

    def _parameter_module(self) -> ModuleType:
        package = f"pytracking.parameter.{self.name}"
        module = f"{package}.{self.parameter_name}"
        if not importable(package):
            raise MissingFile(
                f"tracker {self.name}: there is no folder pytracking/parameter/{self.name}"
                f"{suggestion(self.name, modules_in('pytracking.parameter'))}"
            )
        if not importable(module):
            known = modules_in(package)
            raise MissingFile(
                f"tracker {self.name}: there is no parameter file pytracking/parameter/{self.name}/"
                f"{self.parameter_name}.py{suggestion(self.parameter_name, known)} - there are "
                f"{', '.join(known) or 'none'}"
            )
        return importlib.import_module(module)

    def check(self) -> None:
        """Raise BadInput now for what would fail on every sequence: no tracker code, parameter file
        or network file.
        """
        self._require_class()
        for value in vars(self.get_parameters()).values():
            if hasattr(type(value), "check_file"):
                value.check_file()

    def run_sequence(
        self,
        seq: Sequence,
        visualization: bool | None = None,
        debug: int | None = None,
        visdom_info: dict | None = None,
        multiobj_mode: str | None = None,
    ) -> dict[str, Any]:
        """Track through `seq`.

        Args:
            visualization: show the frames; default: what the parameters say, or with `debug` given
                whether it is not 0.
            debug: level for the tracker, default `params.debug`.
            multiobj_mode: how sequences with several objects are handled, default what parameters
                or tracker class say.

        Returns:
            Lists over frames `target_bbox` [x, y, w, h], `time` in seconds, `segmentation`,
            `object_presence_score`, as far as the tracker gives them (the first frame has the start
            box, and score 1), and `image_shape` (H, W), `object_presence_score_threshold`,
            `float_boxes` (whether result files keep decimals).

        """
        params = self.get_parameters().for_dataset(seq.dataset)
        if visualization is None:
            visualization = params.get("visualization", False) if debug is None else bool(debug)
        params.visualization = visualization
        params.debug = params.get("debug", 0) if debug is None else debug
        self._require_class()

        self._init_visdom(visdom_info, params.debug)
        init_info = seq.init_info()
        mode = self.several_objects_mode(params, multiobj_mode)
        if not seq.multiobj_mode or mode == "default":
            tracker = self.create_tracker(params)
        elif mode == "parallel":
            tracker = MultiObjectWrapper(
                self.tracker_class, params, self.visdom, frame_reader=self._read_image
            )
        else:
            raise BadValue(
                f"tracker {self.name} {self.parameter_name}, sequence {seq.name}: unknown multi "
                "object mode "
                f"'{mode}', use 'parallel' (a tracker per object), or 'default' with a tracker "
                "that follows "
                "several objects itself"
            )
        if visualization and self.visdom is None:
            self.init_visualization()
        try:
            output = self._track_sequence(tracker, seq, init_info)
        finally:
            self.close_visualization()
        return _with_settings(output, params)

    def several_objects_mode(
        self, params, chosen: str | None = None, default: str = "default"
    ) -> str:
        """Return how several objects are handled: `chosen`, else what the parameters say, else the
        tracker class.
        """
        return (
            chosen
            or params.get("multiobj_mode", None)
            or getattr(self.tracker_class, "multiobj_mode", None)
            or default
        )

    def run_video_generic(
        self,
        debug: int | None = None,
        visdom_info: dict | None = None,
        videofilepath: str | os.PathLike | int | None = None,
        optional_box=None,
        save_results: bool = False,
        save_video: str | os.PathLike | None = None,
    ) -> dict[Any, list]:
        """Track objects through a video, a folder of images or what a camera sees, live in a window
        where there is one.

        Args:
            videofilepath: video file, folder of images, address of a stream, or number of a camera
                (None: 0).
            optional_box: boxes to start from: x, y, w, h of the object, or of several one after the
                other (or a list of boxes). Without it they are drawn with the mouse.
            save_results: write `<results_dir>/video_<stem or webcam>_<id>.txt`, a row x, y, w, h
                per frame.
            save_video: also write the video with the boxes drawn in to this file (.mp4 or .avi).

        Returns:
            The boxes_xywh of each object id.

        Raises:
            BadInput: one sentence, about the video, the box, or that there is no display to draw a
                box on.

        """
        return run_video(
            self, debug, visdom_info, videofilepath, optional_box, save_results, save_video
        )

    def run_video(
        self,
        videofilepath: str,
        optional_box=None,
        debug: int | None = None,
        visdom_info: dict | None = None,
        save_results: bool = False,
    ) -> dict[Any, list]:
        """`run_video_generic` on a video file or a folder of images."""
        return self.run_video_generic(debug, visdom_info, videofilepath, optional_box, save_results)

    def run_webcam(
        self, debug: int | None = None, visdom_info: dict | None = None
    ) -> dict[Any, list]:
        """`run_video_generic` on the camera."""
        return self.run_video_generic(debug, visdom_info)

    def run_vot2020(self, debug: int | None = None, visdom_info: dict | None = None) -> None:
        """Run as a tracker of the VOT toolkit (2020 protocol, TraX)."""
        run_vot2020(self, debug, visdom_info)

    def run_vot(self, debug: int | None = None, visdom_info: dict | None = None) -> None:
        """Run as a tracker of the VOT toolkit (protocol of the years before 2020)."""
        run_vot(self, debug, visdom_info)

    def _track_sequence(self, tracker, seq: Sequence, init_info: dict[str, Any]) -> dict[str, Any]:
        steps, answer = self.steps(tracker, seq, init_info), None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value
            start = time.perf_counter()
            out = tracker.track(step.image, step.info)
            answer = out, time.perf_counter() - start

    def start(
        self, seq: Sequence, read: Callable[[str], np.ndarray] | None = None
    ) -> tuple[Any, Steps]:
        """A tracker instance for `seq`, a sequence of one object, and its `steps`, for who tracks
        several at once.

        `read` gives the frames, in order; default `_read_image`.
        """
        params = self.get_parameters()
        params.visualization, params.debug = False, 0
        tracker = self.create_tracker(params)

        def steps() -> Steps:
            output = yield from self.steps(tracker, seq, seq.init_info(), read)
            return _with_settings(output, params)

        return tracker, steps()

    def steps(
        self,
        tracker,
        seq: Sequence,
        init_info: dict[str, Any],
        read: Callable[[str], np.ndarray] | None = None,
    ) -> Steps:
        """Initialise `tracker` and go through `seq`, leaving the tracking to the caller.

        Yields what to track; is sent what the tracker's `track` returned for it and the seconds
        that took; returns what `run_sequence` says.
        """
        _check_start(seq, init_info)
        read = read or self._read_image
        lists: dict[str, list] = {key: [] for key in OUTPUT_KEYS}

        def store(out: dict[str, Any], defaults: dict[str, Any]) -> None:
            for key, values in lists.items():
                value = out.get(key, defaults.get(key))
                if (
                    key in out or value is not None
                ):  # a tracker may go on changing the box it returned
                    values.append(copy.deepcopy(value) if key == "target_bbox" else value)

        image = read(seq.frames[0])
        start = time.perf_counter()
        out = tracker.initialize(image, init_info) or {}
        elapsed = time.perf_counter() - start
        box = init_info.get("init_bbox")
        store(
            out,
            {
                "target_bbox": box,
                "time": elapsed,
                "segmentation": init_info.get("init_mask"),
                "object_presence_score": dict.fromkeys(box, 1.0) if isinstance(box, dict) else 1.0,
            },
        )
        self.show_frame(tracker, image, box, init_info.get("init_mask"))
        for number, path in enumerate(seq.frames[1:], start=1):
            self.wait_while_paused()
            image = read(path)
            info = seq.frame_info(number)
            info["previous_output"] = OrderedDict(out)
            out, elapsed = yield Step(image, info)
            if not isinstance(out, dict) or "target_bbox" not in out:
                raise BadInput(
                    f"tracker {self.name}: track() must return a dict with 'target_bbox', on "
                    f"frame {number} "
                    f"of {seq.name} it did not"
                )
            scores = out.get("object_presence_score")
            if isinstance(scores, dict):  # an object that starts here is there
                scores = {**dict.fromkeys(info.get("init_object_ids", ()), 1.0), **scores}
                out = {**out, "object_presence_score": scores}
            store(out, {"time": elapsed})
            self.show_frame(tracker, image, _drawn_boxes(out), out.get("segmentation"))

        for key in ("target_bbox", "segmentation"):
            if len(lists[key]) < min(2, len(seq.frames)):  # only the start was known
                del lists[key]
        return {**lists, "image_shape": image.shape[:2]}

    @staticmethod
    def _read_image(image_file: str) -> np.ndarray:
        """The image as RGB uint8 (H, W, 3)."""
        return default_image_loader(image_file)


def _result_folder(settings, attribute: str, name: str, variant: str) -> str:
    folder = getattr(settings, attribute, "")
    if not folder:
        raise NotConfigured(
            f"{attribute} is empty in {local_file()} - set it to a folder for results"
        )
    return f"{folder}/{name}/{variant}"


def _tracker_class(name: str) -> type | None:
    """Return what the tracker's package says its class is; None when there is no such package."""
    module = f"pytracking.tracker.{name}"
    if not importable(module):
        return None
    package = importlib.import_module(module)
    if not hasattr(package, "get_tracker_class"):
        if package.__spec__ is None or package.__spec__.origin is None:
            # A folder without __init__.py, such as one that held only __pycache__.
            return None
        raise BadInput(
            f"{package.__file__} defines no get_tracker_class() - add it, returning the tracker's "
            "class"
        )
    return package.get_tracker_class()


def _with_settings(output: dict[str, Any], params) -> dict[str, Any]:
    """`output` with what the parameters say about storing it."""
    return {
        **output,
        "float_boxes": bool(params.get("float_boxes", False)),
        "object_presence_score_threshold": params.get(
            "object_presence_score_threshold", PRESENCE_THRESHOLD
        ),
    }


def _check_start(seq: Sequence, init_info: dict[str, Any]) -> None:
    if not seq.frames:
        raise BadInput(f"sequence {seq.name} has no frames")
    box = init_info.get("init_bbox")
    if box is None and "init_mask" not in init_info:
        raise BadInput(f"sequence {seq.name} has no box on its first frame to start from")
    for one in box.values() if isinstance(box, dict) else [box]:
        if one is not None and not is_box(one):
            values = ", ".join(f"{value:g}" for value in one)
            raise BadValue(
                f"sequence {seq.name}: the first box [{values}] (x, y, w, h) is no box to start "
                "from - "
                "correct the first row of its ground truth"
            )


def _drawn_boxes(out: dict[str, Any]) -> list:
    """Boxes to draw for one frame: the targets first, then what else the tracker wants shown."""
    return [
        box
        for key in ("target_bbox", "clf_target_bbox", "clf_search_area", "segm_search_area")
        for box in as_boxes(out.get(key))
    ]


def _has_gpu() -> bool:
    import torch  # heavy: whoever only analyses results does without it

    return torch.cuda.is_available()


def _use_device(params: Any, device: str) -> None:
    """Tell a tracker, and the features that its parameter file made, where to compute."""
    params.use_gpu = not device.startswith("cpu")
    params.device = device
    extractor = getattr(params, "features", None)
    for feature in getattr(extractor, "features", None) or ():
        if hasattr(feature, "use_gpu"):
            feature.use_gpu = params.use_gpu
