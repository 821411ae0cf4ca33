"""Tracks one sequence with several parameter values at once: a frame is read once for all of them,
and is one pass of the network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.data.image_loader import default_image_loader
from pytracking.evaluation.data import Sequence as Video
from pytracking.evaluation.tracker import Tracker
from spot_ext.propagate.follow import Leg, Sighting, follow, frame_by_frame
from spot_ext.tuning.output_cache import RememberingNet

# Values of the searched parameters, by name.
Values = Mapping[str, float]

# Decimals of the boxes in result files, where the parameters ask for decimals.
STORED_DECIMALS = 4


def track_together(
    tracker: Tracker, seq: Video, trials: Sequence[Values], memory_mb: int
) -> list[np.ndarray]:
    """Return the boxes_xywh (N, 4) of `seq` for each of the `trials`, as result files hold them.

    `memory_mb` of network outputs are kept in this process. Raising it saves passes in long
    searches whose crops agree; 0 shares outputs within one frame only. BadInput names a sequence
    that cannot be tracked.
    """
    try:
        follower = TrialTrackers(tracker, seq, trials, memory_mb)
        walks = follow(follower.legs, follower, frame_by_frame(follower.legs, _images(seq)))
        return [
            _as_stored(np.vstack([follower.first_boxes[number], walk.boxes_xywh]), has_decimals)
            for number, (walk, has_decimals) in enumerate(
                zip(walks, follower.has_decimals, strict=True)
            )
        ]
    except BadInput as error:
        raise BadInput(
            f"{tracker.name} {tracker.parameter_name} failed on {seq.name} ({error}); start the "
            "same command again when that is mended, finished sequences are kept"
        ) from error


class _Trial:
    """A tracker under way, with its output for the frame before."""

    def __init__(self, tracker: Any, first_output: dict[str, Any]):
        self.tracker = tracker
        self.output = first_output
        self.frame_id = 0


class TrialTrackers:
    """A `Follower` for one sequence: a tracker for each trial, with values of its own."""

    def __init__(self, tracker: Tracker, seq: Video, trials: Sequence[Values], memory_mb: int):
        """Start all trackers on the first frame of `seq`."""
        self.seq = seq
        parameters = [_parameters(tracker, seq, values, memory_mb) for values in trials]
        trackers = [tracker.create_tracker(params) for params in parameters]
        image = default_image_loader(seq.frames[0])
        start = seq.init_info()
        outputs = [item.initialize(image, dict(start)) or {} for item in trackers]

        self.trials = [_Trial(*pair) for pair in zip(trackers, outputs, strict=True)]
        self.first_boxes = [output.get("target_bbox", start["init_bbox"]) for output in outputs]
        self.has_decimals = [bool(params.get("float_boxes", False)) for params in parameters]
        later_ids = np.arange(1, len(seq.frames))
        self.legs = [
            Leg(number, 0, np.asarray(start["init_bbox"]), later_ids)
            for number in range(len(trials))
        ]

    def begin(self, leg: Leg) -> _Trial:
        """Return the trial's tracker, which has been started."""
        return self.trials[leg.target]

    def step(self, states: Sequence[_Trial], images: Sequence[np.ndarray]) -> list[Sighting]:
        """Track in the next image with all trackers: as one batch where their class can."""
        for trial in states:
            trial.frame_id += 1
        kind = type(states[0].tracker)
        if len(states) > 1 and hasattr(kind, "track_many"):
            outputs = kind.track_many([trial.tracker for trial in states], list(images))
        else:
            outputs = [
                self._track(trial, image) for trial, image in zip(states, images, strict=True)
            ]
        sightings = []
        for trial, output in zip(states, outputs, strict=True):
            if isinstance(output, Exception):
                raise output
            trial.output = output
            # Only boxes count in a search.
            sightings.append(Sighting(output["target_bbox"], np.nan, np.nan))
        return sightings

    def _track(self, trial: _Trial, image: np.ndarray) -> dict[str, Any]:
        info = self.seq.frame_info(trial.frame_id)
        return trial.tracker.track(image, {**info, "previous_output": OrderedDict(trial.output)})


def _images(seq: Video) -> Iterator[tuple[int, np.ndarray]]:
    for frame_id, path in enumerate(seq.frames[1:], start=1):
        yield frame_id, default_image_loader(path)


def _parameters(tracker: Tracker, seq: Video, values: Values, memory_mb: int) -> Any:
    params = tracker.get_parameters().for_dataset(seq.dataset)
    params.visualization = False
    params.debug = 0
    vars(params).update(values)
    if hasattr(tracker.tracker_class, "track_many"):
        params.net = RememberingNet(params.net, memory_mb)
    return params


def _as_stored(boxes_xywh: np.ndarray, has_decimals: bool) -> np.ndarray:
    """Return what reading the result file gives back (`pytracking.evaluation.results`)."""
    if not np.isfinite(boxes_xywh).all():
        raise BadInput("the tracker returned a box that is not finite")
    if has_decimals:
        return boxes_xywh.round(STORED_DECIMALS)
    return boxes_xywh.astype(int).astype(np.float64)
