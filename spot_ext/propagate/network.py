"""Opens the network that tracks: its architecture, its recipe and trackers made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.checkpoint import constructor_from_plain, read_checkpoint
from ltr.recipes import find_recipe, recipe_names
from pytracking.evaluation.network_tracker import NetworkTracker
from pytracking.utils.network_files import network_candidates
from spot_ext.training import architectures
from spot_ext.training.architectures import Architecture, get_architecture
from spot_ext.training.config import SparseConfig

SHIPPED = "shipped"
# The recipe that adapts the network that comes with the package.
SHIPPED_RECIPE = f"{architectures.SHIPPED}_finetune"

# Options of a network's factory that a recipe sets by itself.
NOT_OF_A_RECIPE = ("iou_head", "backbone_pretrained", "backbone_weights", "settings")
# Options of a recipe's network that a network file does not hold.
ONLY_OF_A_RECIPE = ("frozen_backbone_layers",)


@dataclass(frozen=True)
class TrackingNetwork:
    """A network file and what the method knows of its architecture."""

    path: Path
    architecture: Architecture
    options: Mapping[str, Any] = field(default_factory=dict)  # of its factory

    def make_tracker(self, device: str = "cpu") -> Callable[[], Any]:
        """Return a function that makes online trackers on `device`, all with the same weights."""
        architecture = self.architecture
        return NetworkTracker(
            architecture.tracker, architecture.parameters, self.path, device=device
        ).maker()

    def recipe(self) -> SparseConfig:
        """Return the recipe to adapt the network with, with this network's options.

        It is the recipe of the shipped network where that has the same architecture, else the first
        that trains this architecture. BadValue where none does.
        """
        config = self._published_recipe()
        if not self.options:
            return config
        options = {
            name: value for name, value in self.options.items() if name not in NOT_OF_A_RECIPE
        }
        crop_sizes = {
            f"{part}_size": options[f"{part}_sz"]
            for part in ("template", "search")
            if f"{part}_sz" in options
        }
        held = {name: config.network[name] for name in ONLY_OF_A_RECIPE if name in config.network}
        return config.replace(network={**options, **held}, crops=crop_sizes)

    def _published_recipe(self) -> SparseConfig:
        for name in [SHIPPED_RECIPE, *recipe_names("spot")]:
            make_config = getattr(find_recipe("spot", name), "config", None)
            if callable(make_config):
                config = make_config()
                if config.architecture == self.architecture.name:
                    return config
        raise BadValue(
            f"{self.path}: no recipe trains its network {self.architecture.name}; use --no-adapt"
        )


def open_network(name: str = SHIPPED) -> TrackingNetwork:
    """Return the network in file `name`, or of that name in `network_path` of local.py.

    'shipped' is the one that comes with the package. BadValue for a network that the method does
    not know.
    """
    if name == SHIPPED:
        return _shipped()
    path = Path(name).expanduser()
    if not path.is_file():
        path = network_candidates(name)[0]
    constructor = constructor_from_plain(read_checkpoint(path).get("constructor"))
    if constructor is None:
        raise BadValue(
            f"{path} does not say which network it holds; give a checkpoint that SPOT has written"
        )
    return TrackingNetwork(path, _architecture_of(constructor.fun_name, path), constructor.kwds)


def _architecture_of(factory: str, path: Path) -> Architecture:
    """Return the architecture whose name begins the name of the network's factory."""
    words = factory.split("_")
    for count in range(len(words), 0, -1):
        try:
            return get_architecture("_".join(words[:count]))
        except BadValue as error:
            unknown = error
    raise BadValue(f"{path} holds a network that SPOT does not train: {unknown}")


def _shipped() -> TrackingNetwork:
    architecture = get_architecture(architectures.SHIPPED)
    if architecture.shipped is None or not architecture.shipped.is_file():
        raise MissingFile(
            f"there is no '{architecture.shipped}': this copy of the package came without "
            "weights; install it again, or give a checkpoint with --net"
        )
    return TrackingNetwork(architecture.shipped, architecture)
