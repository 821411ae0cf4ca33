"""Finds training recipes by name and runs them: the library behind `ltr/run_training.py`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import cv2
import torch

from ltr.admin.environment import ensure_local_file
from ltr.admin.errors import BadValue, suggestion
from ltr.admin.settings import Settings
from ltr.io.plugins import modules_in, packages_in
from ltr.parallel.distributed import main_first
from ltr.parallel.distributed_run import local_device
from ltr.parallel.threads import limit_openmp_spinning
from ltr.trainers.base_trainer import seed_everything

RECIPES = "ltr.train_settings"
# Recipes of SPOT's release by module and name, and what they are called here.
RECIPES_OF_SPOT = {
    ("spot", f"spot_{network}_{release}"): f"{network}_sparse{ours}"
    for network in ("transt", "ocean")
    for release, ours in (("002", "_k2"), ("003", ""), ("003_got10k", "_got10k"), ("005", "_k5"))
}


def run_training(
    train_module: str,
    train_name: str,
    cudnn_benchmark: bool = True,
    seed: int | None = None,
    overrides: Mapping[str, str] | None = None,
    run_name: str | None = None,
) -> None:
    """Run the recipe `ltr/train_settings/<train_module>/<train_name>.py`.

    `cudnn_benchmark` lets cuDNN choose its fastest algorithms, which may differ from run to run.
    `seed` is `settings.seed`, 0 unless given. `overrides`, values as text by name, go to recipes
    that have settings of their own (a function `config`), as `settings.overrides`. `run_name` names
    the run's folder instead of the recipe. Raises BadValue for an unknown recipe, a run_name that
    is no folder's name, or overrides it cannot take.
    """
    limit_openmp_spinning()
    with main_first():
        ensure_local_file()
    recipe = find_recipe(train_module, train_name)
    if run_name is not None:
        check_run_name(run_name, train_module, train_name)
    if overrides and not callable(getattr(recipe, "config", None)):
        raise BadValue(
            f"the recipe {train_module} {train_name} takes no --set: it has no function config(); "
            f"edit {recipe.__file__} instead"
        )
    # The loader's workers are the parallelism; threads of OpenCV inside them only get in the way.
    cv2.setNumThreads(0)
    torch.backends.cudnn.benchmark = cudnn_benchmark
    print(f"Training:  {train_module}  {train_name}")
    settings = make_settings(train_module, train_name, seed, overrides)
    if run_name is not None:
        settings.project_path = f"ltr/{train_module}/{run_name}"
    seed_everything(settings.seed)
    recipe.run(settings)


def make_settings(
    module: str, name: str, seed: int | None = None, overrides: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings that a recipe is run with."""
    settings = Settings()
    if device := local_device():
        settings.device = device
    settings.module_name = module
    settings.script_name = name
    settings.project_path = f"ltr/{module}/{name}"
    settings.overrides = dict(overrides or {})
    if seed is not None:
        settings.seed = seed
    return settings


def find_recipe(module: str, name: str) -> ModuleType:
    """Import a recipe; BadValue names the nearest known ones when there is no such recipe."""
    names = recipe_names(module)
    if name not in names and (module, name) in RECIPES_OF_SPOT:
        ours = RECIPES_OF_SPOT[module, name]
        raise BadValue(
            f"'{name}' is a recipe of SPOT's release, which is called '{ours}' here; run "
            f"`python ltr/run_training.py {module} {ours}`"
        )
    if name not in names:
        raise BadValue(
            f"there is no recipe '{name}' in the module '{module}'"
            f"{suggestion(name, names) or '.'} Known are {', '.join(names) or 'none'}; {_where()}"
        )
    recipe = importlib.import_module(f"{RECIPES}.{module}.{name}")
    if not callable(getattr(recipe, "run", None)):
        raise BadValue(f"the recipe {recipe.__file__} defines no function run(settings); add one")
    return recipe


def check_run_name(run_name: str, module: str, recipe: str) -> None:
    """Raise BadValue for a run name that is no folder's name, or another recipe's."""
    if not re.fullmatch(r"\w[\w.-]*", run_name):
        raise BadValue(
            f"--name {run_name}: a run's name has letters, digits, '_', '-' and '.' only, and "
            "starts with a letter, a digit or '_'; give another"
        )
    if run_name != recipe and run_name in recipe_names(module):
        raise BadValue(
            f"--name {run_name}: that is a recipe of the module '{module}', whose runs lie in the "
            "folder of that name; give another"
        )


def recipe_names(module: str) -> list[str]:
    """Return the recipes of a module, plug-ins' included; BadValue for an unknown module."""
    modules = packages_in(RECIPES)
    if module not in modules:
        raise BadValue(
            f"there is no recipe module '{module}'{suggestion(module, modules) or '.'} Known are "
            f"{', '.join(modules)}; {_where()}"
        )
    return modules_in(f"{RECIPES}.{module}")


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a dict; BadValue names every text of another form."""
    pairs = {}
    faults = []
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            faults.append(text)
            continue
        pairs[name.strip()] = value.strip()
    if faults:
        shown = ", ".join(f"--set {text}" for text in faults)
        raise BadValue(f"{shown}: expected NAME=VALUE, for example --set epochs=10")
    return pairs


def _where() -> str:
    folder = Path(__file__).resolve().parent / "train_settings"
    return (
        f"recipes are files {folder}/<module>/<name>.py, "
        "or train_settings/<module>/<name>.py in a folder that PYTRACKING_PLUGINS names"
    )
