"""Which network tracks, and trackers made of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.checkpoint import constructor_from_plain, read_checkpoint
from ltr.run_training import find_recipe, recipe_names
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils.loading import network_candidates
from spot_ext.training import architectures
from spot_ext.training.architectures import Architecture, get_architecture
from spot_ext.training.config import SparseConfig

SHIPPED = "shipped"
SHIPPED_RECIPE = (
    f"{architectures.SHIPPED}_finetune"  # adapts the network that comes with the package
)


@dataclass(frozen=True)
class TrackingNetwork:
    """A network file and what the method knows of its architecture."""

    path: Path
    architecture: Architecture
    options: Mapping[str, Any] = field(default_factory=dict)  # of its factory

    def make_tracker(self, device: str = "cpu") -> Callable[[], Any]:
        """A function that returns a new tracker on `device`; all of them share the weights, read
        from the file once.
        """
        package = f"pytracking.parameter.{self.architecture.tracker}.{self.architecture.parameters}"
        params = importlib.import_module(package).parameters()
        params.use_gpu = not device.startswith("cpu")
        params.net = NetWithBackbone(net_path=str(self.path.resolve()), use_gpu=params.use_gpu)
        params.net.set_device(device)
        params.net.initialize()
        kind = importlib.import_module(
            f"pytracking.tracker.{self.architecture.tracker}"
        ).get_tracker_class()
        return lambda: kind(params)

    def recipe(self) -> SparseConfig:
        """The recipe to adapt it with: that of the shipped network where it is one of its kind,
        else the first one that trains its architecture; with this network's options.
        """
        names = [SHIPPED_RECIPE, *recipe_names("spot")]
        configs = (
            found.config()
            for name in names
            if callable(getattr(found := find_recipe("spot", name), "config", None))
        )
        config = next(
            (config for config in configs if config.architecture == self.architecture.name), None
        )
        if config is None:
            raise BadValue(
                f"{self.path}: no recipe trains its network {self.architecture.name}; use "
                "--no-adapt"
            )
        options = {
            name: value
            for name, value in self.options.items()
            if name not in ("iou_head", "backbone_pretrained", "backbone_weights", "settings")
        }
        crops = {
            f"{part}_size": options[f"{part}_sz"]
            for part in ("template", "search")
            if f"{part}_sz" in options
        }
        held = {
            name: value
            for name, value in config.network.items()
            if name == "frozen_backbone_layers"
        }
        return config.replace(
            network={**options, **held} if self.options else config.network, crops=crops
        )


def open_network(name: str = SHIPPED) -> TrackingNetwork:
    """The network in file `name`, or of that name in `network_path` of local.py, or the one that
    comes with the package.

    BadValue for a network that the method does not know.
    """
    if name == SHIPPED:
        return _shipped()
    path = Path(name).expanduser()
    path = path if path.is_file() else network_candidates(name)[0]
    constructor = constructor_from_plain(read_checkpoint(path).get("constructor"))
    if constructor is None:
        raise BadValue(
            f"{path} does not say which network it holds; give a checkpoint that SPOT has written"
        )
    return TrackingNetwork(path, _architecture_of(constructor.fun_name, path), constructor.kwds)


def choose_device(name: str | None) -> str:
    """`name`, or CUDA where there is some."""
    return name or ("cuda" if torch.cuda.is_available() else "cpu")


def _architecture_of(factory: str, path: Path) -> Architecture:
    """The architecture that a factory makes; its name is the architecture's, or begins with it."""
    parts = factory.split("_")
    for length in range(len(parts), 0, -1):
        try:
            return get_architecture("_".join(parts[:length]))
        except BadValue as error:
            unknown = error
    raise BadValue(f"{path} holds a network that SPOT does not train: {unknown}")


def _shipped() -> TrackingNetwork:
    architecture = get_architecture(architectures.SHIPPED)
    if not architecture.shipped.is_file():
        raise MissingFile(
            f"there is no '{architecture.shipped}': this copy of the package came without "
            "weights; install it "
            "again, or give a checkpoint with --net"
        )
    return TrackingNetwork(architecture.shipped, architecture)
