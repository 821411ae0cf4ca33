"""Tracks one sequence with several parameter values at once: each frame is read once and is one pass of the network."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput
from ltr.data.image_loader import default_image_loader
from pytracking.evaluation.data import Sequence as Video
from pytracking.evaluation.tracker import Tracker

Values = Mapping[str, float]  # of the searched parameters, by name

_remembered: OrderedDict[tuple, dict[str, torch.Tensor]] = OrderedDict()
_remembered_bytes = 0


def track_together(tracker: Tracker, seq: Video, trials: Sequence[Values], memory_mb: int) -> list[np.ndarray]:
    """The boxes_xywh (N, 4) of `seq` for each of the `trials`, as result files would hold them.

    `memory_mb` of network outputs are kept in this process: raising it saves passes in long searches whose crops agree,
    0 shares outputs within one frame only.
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
        raise BadInput(f"{tracker.name} {tracker.parameter_name} failed on {seq.name} ({error}); start the same command "
                       "again when that is mended, finished sequences are kept") from error
    return [_as_stored(one, bool(param.get("float_boxes", False))) for one, param in zip(boxes, params, strict=True)]


def _parameters(tracker: Tracker, seq: Video, values: Values, memory_mb: int):
    params = tracker.get_parameters().for_dataset(seq.dataset)
    params.visualization, params.debug = False, 0
    vars(params).update(values)
    if hasattr(tracker.tracker_class, "track_many"):
        params.net = RememberingNet(params.net, memory_mb)
    return params


def _step(running: list, image: np.ndarray, info: dict[str, Any], previous: list[dict]) -> list[dict[str, Any]]:
    if len(running) > 1 and hasattr(type(running[0]), "track_many"):
        outputs = type(running[0]).track_many(running, [image] * len(running))
    else:
        outputs = [one.track(image, {**info, "previous_output": OrderedDict(last)})
                   for one, last in zip(running, previous, strict=True)]
    for output in outputs:
        if isinstance(output, Exception):
            raise output
    return outputs


def _as_stored(boxes: list, decimals: bool) -> np.ndarray:
    """What reading the result file gives back (see `pytracking.evaluation.results.save_results`)."""
    table = np.array(boxes, dtype=np.float64)
    if not np.isfinite(table).all():
        raise BadInput("the tracker returned a box that is not finite")
    return table.round(4) if decimals else table.astype(int).astype(np.float64)


class RememberingNet:
    """A tracker's network that computes equal inputs once: within a batch, and as long as the memory lasts.

    Inputs are compared by content (a hash of template and crop), so the outputs are those of the network itself. Trials
    show it equal crops as long as their boxes agree, which on many sequences is for many frames.
    """

    def __init__(self, net, memory_mb: int):
        self.inner, self.memory_mb, self.template_key = net, memory_mb, b""

    def __getattr__(self, name: str):
        if name.startswith("__") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __copy__(self) -> RememberingNet:
        twin = type(self)(copy.copy(self.inner), self.memory_mb)
        twin.template_key = self.template_key
        return twin

    def template(self, z: torch.Tensor) -> None:
        """Store the template `(1, 3, S, S)`."""
        self.template_key = _content(z)
        self.inner.template(z)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for `(1, 3, S, S)`."""
        return self._recall(x, lambda _, missing: self.inner.track(missing))

    def match(self, templates: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for B templates and crops."""
        if not (templates == templates[:1]).all():  # another object's template: nothing to share
            return self.inner.match(templates, x)
        return self._recall(x, lambda rows, missing: self.inner.match(templates[rows], missing))

    def _recall(self, x: torch.Tensor, compute) -> dict[str, torch.Tensor]:
        keys = [(self.template_key, _content(row)) for row in x]
        known = {key: _remembered[key] for key in keys if key in _remembered}
        rows = [keys.index(key) for key in dict.fromkeys(keys) if key not in known]
        if rows:
            outputs = {name: value.cpu() for name, value in compute(rows, x[rows]).items() if isinstance(value, torch.Tensor)}
            for place, row in enumerate(rows):
                known[keys[row]] = {name: value[place] for name, value in outputs.items()}
        for key, value in known.items():
            self._remember(key, value)
        return {name: torch.stack([known[key][name] for key in keys]) for name in known[keys[0]]}

    def _remember(self, key: tuple, outputs: dict[str, torch.Tensor]) -> None:
        global _remembered_bytes
        if key in _remembered:
            _remembered.move_to_end(key)
        elif self.memory_mb:
            _remembered[key] = {name: value.clone() for name, value in outputs.items()}
            _remembered_bytes += _size(outputs)
            while _remembered_bytes > self.memory_mb * 2**20:
                _remembered_bytes -= _size(_remembered.popitem(last=False)[1])


def _content(tensor: torch.Tensor) -> bytes:
    """128 bits by which tensors are told apart."""
    return hashlib.blake2b(tensor.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()


def _size(outputs: dict[str, torch.Tensor]) -> int:
    return sum(value.nbytes for value in outputs.values())
