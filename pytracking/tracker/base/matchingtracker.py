"""Base of trackers that ask one network where a template is: everything but where to look and which
answer to believe.
"""

from __future__ import annotations

import copy
import functools
import math
import operator
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput, BadValue
from ltr.data.crops import mean_color
from ltr.parallel.cores import usable_cores
from pytracking.features.onnx_net import with_backend
from pytracking.tracker.base.siamesetracker import SiameseTracker

MANY = 8  # crops that are cut by several threads
SMALLEST_SIDE = 10.0  # px; a box cannot collapse below this


class MatchingTracker(SiameseTracker):
    """`params.net` has `template(z)` and `track(x)`; following many targets at once also takes
    `match(templates, x)`. `params.backend` 'onnx' runs it with ONNX Runtime, see
    `pytracking.features.onnx_net`. `params.precision` 'bf16' or 'fp16' computes it in fewer digits,
    `params.graphs` True starts it as one CUDA graph: faster where the machine has what they need,
    see `pytracking.features.precision` and `graphs`, and otherwise as without them.

    A tracker defines `template_side`, `search_side`, `read` and `follow`. Its state is `center_pos`
    (x, y) and `size` (w, h) of the target in frame pixels, `channel_average` of the first frame,
    and the crop sizes in px.
    """

    multiobj_mode = "parallel"
    default_sizes = (128, 256)  # px of template and search crop, unless the network says otherwise

    def __init__(self, params):
        super().__init__(params)
        net = with_backend(params.net, params.get("backend", "torch"))
        precision, graphs = params.get("precision", "fp32"), params.get("graphs", False)
        if precision != "fp32" or graphs:
            _set_speed(net, precision, graphs)
        # Weights are shared, the stored template is this tracker's own.
        self.net: Any = copy.copy(net)

    def template_side(self) -> float:
        """Side in frame pixels of the square that becomes the template."""
        raise NotImplementedError

    def search_side(self) -> float:
        """Side in frame pixels of the square in which the target is looked for."""
        raise NotImplementedError

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The network's outputs for B crops as one table `(B, N, columns)` of its N positions."""
        raise NotImplementedError

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Move to the best of the N positions of `table`, and say what `track` returns."""
        raise NotImplementedError

    def initialize_features(self) -> None:
        """Load the network now rather than on the first frame."""
        self.net.initialize()

    @torch.inference_mode()
    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        """Take the template around `info['init_bbox']` = [x, y, w, h]."""
        self.initialize_features()
        start = time.perf_counter()  # reading the network from disk is no tracking time
        template_size, search_size = self.default_sizes
        self.template_size = int(getattr(self.net, "template_sz", template_size))
        self.search_size = int(getattr(self.net, "search_sz", search_size))
        x, y, w, h = (float(value) for value in info["init_bbox"])
        self.center_pos, self.size = np.array([x + w / 2, y + h / 2]), np.array([w, h])
        self.channel_average = mean_color(image)
        crop = self.get_subwindow(
            image, self.center_pos, self.template_size, self.template_side(), self.channel_average
        )
        self.net.template(self.net.preprocess_image(crop))
        return {"time": time.perf_counter() - start}

    @torch.inference_mode()
    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Search around the last box; returns `target_bbox` [x, y, w, h] and what `follow` adds."""
        outputs = self.net.track(
            self.net.preprocess_image(self._upload([self._search_patch(image)]))
        )
        return self._checked_follow(self.read(outputs)[0].cpu().numpy(), image.shape)

    @classmethod
    @torch.inference_mode()
    def track_many(
        cls, trackers: Sequence[MatchingTracker], images: Sequence[np.ndarray]
    ) -> list[dict[str, Any] | Exception]:
        """Return what `track` returns for each tracker on its image, in one pass of the network
        that they share.

        A tracker that fails leaves its exception in its place and the others alone.
        """
        cut: list[np.ndarray | BadInput] = _map(_cut, trackers, images)
        answers: list[Any] = list(cut)
        patches = {k: patch for k, patch in enumerate(cut) if not isinstance(patch, BadInput)}
        good = list(patches)
        if not good:
            return answers
        first = trackers[good[0]]
        crops = first.net.preprocess_image(first._upload(list(patches.values())))
        outputs = first.net.match(
            first._templates([trackers[index].net.zf for index in good]), crops
        )
        tables = cls.read(outputs).cpu().numpy()  # the one wait for the GPU
        for index, table in zip(good, tables, strict=True):
            try:
                answers[index] = trackers[index]._checked_follow(table, images[index].shape)
            except BadInput as error:
                answers[index] = error
        return answers

    def _search_patch(self, image: np.ndarray) -> np.ndarray:
        """The search crop, uint8 (S, S, 3)."""
        self.side = self.search_side()
        return self.get_patch(
            image, self.center_pos, self.search_size, self.side, self.channel_average
        )

    def _upload(self, patches: list[np.ndarray]) -> torch.Tensor:
        """Crops as one tensor (B, 3, S, S), from memory that a GPU reads by itself where the
        network is on one.
        """
        device = getattr(self.net, "device", None)
        if device is not None and device.type == "cuda":
            whole = _pinned((len(patches), *patches[0].shape))
            np.stack(
                patches, out=whole.numpy()
            )  # the last frame's were read before its outputs could be
        else:
            whole = torch.from_numpy(patches[0][None] if len(patches) == 1 else np.stack(patches))
        return whole.permute(0, 3, 1, 2)

    def _templates(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """`parts` joined; kept until a sequence ends or begins."""
        last, whole = getattr(self, "_joined", ((), None))
        same = len(last) == len(parts) and all(map(operator.is_, last, parts))
        if whole is None or not same:
            whole = torch.cat(parts)
            self._joined = parts, whole
        return whole

    def _checked_follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        if not np.isfinite(table).all():
            raise BadInput(
                "the network's output is not finite - its weights are damaged, or its training "
                "diverged"
            )
        return self.follow(table, image_shape)

    def show_scores(self, scores_N: np.ndarray, **status: float) -> None:
        """Show the map of final scores and some numbers on the live view, when there is one."""
        if self.visdom is not None:
            side = math.isqrt(len(scores_N))
            self.visdom.register(
                torch.from_numpy(scores_N.reshape(side, side)), "heatmap", 2, "Score Map"
            )
            self.visdom.register(status, "info_dict", 1, "Status")

    def _move(
        self, center: np.ndarray, size: np.ndarray, image_shape: tuple[int, ...]
    ) -> list[float]:
        """Go to `center` within the frame, with a size from `SMALLEST_SIDE` to the frame's; returns
        [x, y, w, h].
        """
        frame_size = np.array([image_shape[1], image_shape[0]], dtype=np.float64)
        self.center_pos = np.clip(center, 0, frame_size)
        self.size = np.minimum(np.maximum(size, SMALLEST_SIDE), frame_size)
        return [*(self.center_pos - self.size / 2).tolist(), *self.size.tolist()]


def _cut(tracker: MatchingTracker, image: np.ndarray) -> np.ndarray | BadInput:
    try:
        return tracker._search_patch(image)
    except BadInput as error:
        return error


def _map(function: Callable[..., Any], *arguments: Sequence) -> list:
    """`map`, by several threads where there are many arguments and cores to have them."""
    return list((_threads().map if len(arguments[0]) >= MANY else map)(function, *arguments))


@functools.lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, usable_cores()))


@functools.lru_cache(maxsize=8)
def _pinned(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.uint8, pin_memory=True)


def _set_speed(net, precision: str, graphs: bool) -> None:
    if not hasattr(net, "set_speed"):
        raise BadValue(
            "params.precision and params.graphs are for the backend 'torch'; leave them or "
            "params.backend out"
        )
    net.set_speed(precision, graphs)
