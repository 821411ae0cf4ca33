"""Limits of the numbers in a recipe: what lies outside makes no training, or none that ends."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

# Lowest and highest value of a setting. A share and a rate of an average lie in [0, 1]. Learning
# rates above 100 are typing errors; 0 holds the backbone still, but teaches no network.
_SHARE = (0.0, 1.0)
_SMALLEST_RATE = 1e-30
_RATE = (_SMALLEST_RATE, 100.0)
LIMITS: dict[str, tuple[float, float]] = {
    "teacher.keep_rate": _SHARE,
    "teacher.interval": (1, 1e9),
    "teacher.window_weight": _SHARE,
    "teacher.iou_threshold": _SHARE,
    "teacher.max_repeats": (0, 1e9),
    "teacher.propagating_step": (1, 1e6),
    "optim.lr": _RATE,
    "optim.lr_backbone": (0.0, 100.0),
    "optim.weight_decay": (0.0, 100.0),
    "optim.momentum": _SHARE,
    "optim.decay": (0.0, 100.0),
    "optim.start_lr": _RATE,
    "optim.final_lr": _RATE,
    "optim.max_grad_norm": (_SMALLEST_RATE, 1e9),
    "optim.max_nonfinite": (0, 1e9),
    "augment.brightness": _SHARE,
    "augment.grey": _SHARE,
    "augment.flip": _SHARE,
    "augment.turn": _SHARE,
    "augment.rotation": (0, 180),
    # Pixels; larger crops do not fit into any memory.
    "crops.template_size": (1, 8192),
    "crops.search_size": (1, 8192),
    "crops.template_factor": (0.01, 100.0),
    "crops.search_factor": (0.01, 100.0),
    "k": (1, 10_000),
    "epochs": (1, 1e6),
    "iterations": (1, 1e9),
    "accumulate": (1, 1e6),
    "batch": (1, 1e6),
    "labelled": (1, 1e6),
    "unlabelled": (0, 1e6),
    "num_workers": (0, 1024),
    "frame_cache_mb": (0.0, 1e8),
    "pair_gap": (1, 1e9),
    "checkpoint_interval": (1, 1e6),
}
# Of every other number.
_LARGEST = 1e12


def limit_faults(config: Any) -> Iterator[str]:
    """Yield a sentence, naming the setting, for each number of `config` outside its limits."""
    for name, value in _numbers(config, ""):
        lowest, highest = LIMITS.get(name, (-_LARGEST, _LARGEST))
        if not math.isfinite(value) or not lowest <= value <= highest:
            least = f"from {lowest:g}"
            if lowest == _SMALLEST_RATE:
                least = "above 0"
            yield f"{name} is {value:.10g}: give a number {least} up to {highest:g}"


def _numbers(part: Any, prefix: str) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a configuration with their names; truth is no number."""
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from _numbers(value, f"{prefix}{field.name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}{field.name}", value
