"""Every published recipe with a small network, small crops and a schedule of seconds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ltr.recipes import find_recipe, recipe_names
from spot_ext.training.config import CropConfig, DatasetConfig, SparseConfig

# The recipes that train within a study have the same trainer and the network of another recipe.
RECIPES = tuple(
    name for name in recipe_names("spot") if not name.startswith(("quickstart", "budget_study"))
)

_TRANST = {
    "architecture": "transt_small",
    "network": {
        "hidden_dim": 16,
        "nheads": 2,
        "dim_feedforward": 32,
        "width": 4,
        "template_sz": 32,
        "search_sz": 64,
    },
    "crops": CropConfig(template_size=32, search_size=64),
}
_OCEAN = {
    "architecture": "ocean_small",
    "network": {"width": 4, "channels": 8, "depth": 1},
    "crops": CropConfig(template_size=63, search_size=127, center_jitter=2.0, scale_jitter=0.2),
}
_LIGHT = {
    "architecture": "transt_light",
    "network": {
        "hidden_dim": 32,
        "dim_feedforward": 64,
        "featurefusion_layers": 1,
        "template_sz": 49,
        "search_sz": 97,
        "frozen_backbone_layers": ("stem", "stage1"),
        "dropout": 0.0,
    },
    "crops": CropConfig(template_size=49, search_size=97),
}
SMALL_NETWORKS: dict[str, dict[str, Any]] = {
    "transt": _TRANST,
    "ocean": _OCEAN,
    "transt_light": _LIGHT,
}


def small_recipe(name: str, tree: Path, iterations: int = 5, **changes: Any) -> SparseConfig:
    """Return the recipe `name` with one epoch of burn-in and one with the teacher.

    Method, optimiser and reference switches are the recipe's; data set, network and batch are
    small. Numbers can be compared between devices: fp32, and no dropout, whose masks a CPU and a
    GPU draw differently.
    """
    config = find_recipe("spot", name).config()
    small = {
        **SMALL_NETWORKS[config.architecture],
        "datasets": (DatasetConfig("Got10k", {"root": str(tree)}),),
        "init_from": None,
        "precision": "fp32",
        "burn_in_epochs": 1,
        "epochs": 2,
        "iterations": iterations,
        "batch": 4,
        "labelled": 2,
        "unlabelled": min(config.unlabelled, 4),
        "num_workers": 0,
        "frame_cache_mb": 64,
        "publish": None,
        # A teacher of a few iterations is never sure: about half of its boxes pass this.
        "teacher": {"interval": 2, "iou_threshold": 0.45},
        # The update is computed by the same kernel on both devices.
        "optim": {"fused": True, "unfreeze_epoch": None},
    }
    return config.replace(**small).replace(**changes)


def steady_iterations(waits: Iterable[int]) -> list[int]:
    """Return the figures of an epoch without its first iteration and the last two.

    The first fills caches; at the end the batches are used up, and the epoch is printed.
    """
    return list(waits)[1:-2]
