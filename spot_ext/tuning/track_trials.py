"""Tracks one sequence with several parameter values at once: each frame is read once and is one
pass of the network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.data.image_loader import default_image_loader
from pytracking.evaluation.data import Sequence as Video
from pytracking.evaluation.tracker import Tracker
from spot_ext.tuning.output_cache import RememberingNet

Values = Mapping[str, float]  # of the searched parameters, by name


def track_together(
    tracker: Tracker, seq: Video, trials: Sequence[Values], memory_mb: int
) -> list[np.ndarray]:
    """The boxes_xywh (N, 4) of `seq` for each of the `trials`, as result files would hold them.

    `memory_mb` of network outputs are kept in this process: raising it saves passes in long
    searches whose crops agree, 0 shares outputs within one frame only.
    """
    try:
        params = [_parameters(tracker, seq, values, memory_mb) for values in trials]
        running = [tracker.create_tracker(one) for one in params]
        image, start = default_image_loader(seq.frames[0]), seq.init_info()
        outputs = [one.initialize(image, dict(start)) or {} for one in running]
        boxes = [[output.get("target_bbox", start["init_bbox"])] for output in outputs]
        for number, path in enumerate(seq.frames[1:], start=1):
            image = default_image_loader(path)
            outputs = _step(running, image, seq.frame_info(number), outputs)
            for list_of_one, output in zip(boxes, outputs, strict=True):
                list_of_one.append(output["target_bbox"])
    except BadInput as error:
        raise BadInput(
            f"{tracker.name} {tracker.parameter_name} failed on {seq.name} ({error}); start the "
            "same command "
            "again when that is mended, finished sequences are kept"
        ) from error
    return [
        _as_stored(one, bool(param.get("float_boxes", False)))
        for one, param in zip(boxes, params, strict=True)
    ]


def _parameters(tracker: Tracker, seq: Video, values: Values, memory_mb: int):
    params = tracker.get_parameters().for_dataset(seq.dataset)
    params.visualization, params.debug = False, 0
    vars(params).update(values)
    if hasattr(tracker.tracker_class, "track_many"):
        params.net = RememberingNet(params.net, memory_mb)
    return params


def _step(
    running: list, image: np.ndarray, info: dict[str, Any], previous: list[dict]
) -> list[dict[str, Any]]:
    if len(running) > 1 and hasattr(type(running[0]), "track_many"):
        outputs = type(running[0]).track_many(running, [image] * len(running))
    else:
        outputs = [
            one.track(image, {**info, "previous_output": OrderedDict(last)})
            for one, last in zip(running, previous, strict=True)
        ]
    for output in outputs:
        if isinstance(output, Exception):
            raise output
    return outputs


def _as_stored(boxes: list, decimals: bool) -> np.ndarray:
    """What reading the result file gives back (see
    `pytracking.evaluation.results.save_results`).
    """
    table = np.array(boxes, dtype=np.float64)
    if not np.isfinite(table).all():
        raise BadInput("the tracker returned a box that is not finite")
    return table.round(4) if decimals else table.astype(int).astype(np.float64)
