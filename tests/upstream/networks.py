"""Networks with random weights, built as a checkout's recipes build them.

A recipe calls one network factory, decorated by `@model_constructor`. It is run up to that call,
with stand-ins for its data sets, and the call is made without pretrained weights.
"""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch

from ltr import recipes
from ltr.admin import loading
from ltr.admin.model_constructor import _is_factory
from ltr.io.plugins import modules_in, packages_in

# Files whose recipe has another name: file, then module and name of the recipe.
RECIPE_OF_FILE = {
    "atom_default": ("bbreg", "atom"),
    "lwl_stage2": ("lwl", "lwl_stage2"),
}
# Files that no recipe makes: file, then module and name of the factory, and its arguments.
FACTORY_OF_FILE: dict[str, tuple[str, str, dict]] = {
    "resnet18_vggmconv1": ("ltr.models.backbone.resnet18_vggm", "resnet18_vggmconv1", {}),
    "sta": (
        "ltr.models.lwl.sta_net",
        "steepest_descent_resnet50",
        {
            "filter_size": 3,
            "num_filters": 16,
            "label_encoder_dims": (16, 32, 64, 64),
            "clf_feat_blocks": 0,
            "final_conv": True,
        },
    ),
}


class Reached(BaseException):
    """The call of a network factory that a recipe makes. Recipes catch no BaseException."""

    def __init__(self, factory: Callable, arguments: tuple, keywords: dict):
        super().__init__(factory.__name__)
        self.call = (factory, arguments, keywords)


def write_network(path: Path) -> None:
    """Write a checkpoint of the name `path` with random weights: the same at every call."""
    factory, arguments, keywords = _call_for(path.name.partition(".")[0])
    for name in ("backbone_pretrained", "pretrained"):
        if name in inspect.signature(factory).parameters:
            keywords[name] = False
    torch.manual_seed(0)
    net = factory(*arguments, **keywords)
    if not hasattr(net, "constructor"):
        # A backbone that is read by a feature, not by load_network.
        torch.save(net.state_dict(), path)
        return
    content = {"net_type": type(net).__name__, "net": net.state_dict()}
    torch.save({**content, "constructor": net.constructor, "net_info": None}, path)


def _call_for(stem: str) -> tuple[Callable, tuple, dict]:
    if stem in FACTORY_OF_FILE:
        module, name, keywords = FACTORY_OF_FILE[stem]
        return getattr(importlib.import_module(module), name), (), dict(keywords)
    module, name = RECIPE_OF_FILE.get(stem) or _recipe_named(stem)
    return call_of_recipe(module, name)


def _recipe_named(stem: str) -> tuple[str, str]:
    for module in packages_in(recipes.RECIPES):
        if stem in modules_in(f"{recipes.RECIPES}.{module}"):
            return module, stem
    raise LookupError(f"no recipe makes the network {stem}")


def call_of_recipe(module: str, name: str) -> tuple[Callable, tuple, dict]:
    """Return the factory that a recipe calls, with the arguments of the call."""
    recipe = recipes.find_recipe(module, name)
    settings = recipes.make_settings(module, name)
    # The weights that a recipe starts from are replaced by the random ones of the whole network.
    changed: list[tuple[object, str, object]] = [(loading, "load_network", _network)]
    # Some recipes take the batch size times the GPUs.
    changed.append((torch.cuda, "device_count", lambda: 1))
    for key, value in list(vars(recipe).items()):
        if inspect.isclass(value) and value.__module__.startswith("ltr.dataset"):
            changed.append((recipe, key, _dataset))
        elif _is_factory(value):
            changed.append((recipe, key, _reaching(value)))
        elif isinstance(value, types.ModuleType) and value.__name__.startswith("ltr.models"):
            for name_there, factory in list(vars(value).items()):
                if _is_factory(factory):
                    changed.append((value, name_there, _reaching(factory)))
    try:
        with _replaced(changed):
            recipe.run(settings)
    except Reached as reached:
        return reached.call
    raise LookupError(f"the recipe {module} {name} calls no network factory")


def _reaching(factory: Callable) -> Callable:
    def stop(*arguments, **keywords):
        raise Reached(factory, arguments, keywords)

    return stop


def _dataset(*_arguments, **_keywords):
    """Stand in for a data set, which is asked for its length only."""
    stand_in = mock.MagicMock()
    stand_in.get_num_sequences.return_value = 1
    stand_in.__len__.return_value = 1
    return stand_in


def _network(*_arguments, **_keywords):
    return mock.MagicMock(), {}


class _replaced:
    def __init__(self, changes: list[tuple[object, str, object]]):
        self.patches = [mock.patch.object(owner, name, value) for owner, name, value in changes]

    def __enter__(self):
        for patch in self.patches:
            patch.start()

    def __exit__(self, *_):
        for patch in reversed(self.patches):
            patch.stop()
