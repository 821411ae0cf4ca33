"""Runs a training recipe: `python ltr/run_training.py <module> <name>`, from any folder.

On several GPUs or machines: `torchrun --nproc-per-node N -m ltr.run_training <module> <name>`, see
docs/distributed.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

if __package__ in (
    None,
    "",
):  # run by its path: Python then looks for modules in ltr/ instead of the repository
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from ltr.admin.arguments import true_or_false
from ltr.admin.environment import ensure_local_file
from ltr.admin.errors import BadValue, run_script, suggestion
from ltr.admin.plugins import modules_in
from ltr.parallel.threads import limit_openmp_spinning

RECIPES = "ltr.train_settings"


def run_training(
    train_module: str,
    train_name: str,
    cudnn_benchmark: bool = True,
    seed: int | None = None,
    overrides: Mapping[str, str] | None = None,
) -> None:
    """Run the recipe `ltr/train_settings/<train_module>/<train_name>.py`.

    `cudnn_benchmark` lets cuDNN choose its fastest algorithms, which may differ from run to run.
    `seed` is `settings.seed`, 0 unless given. `overrides`, values as text by name, go to recipes
    that have settings of their own (a function `config`), as `settings.overrides`. Raises BadValue
    for an unknown recipe, or overrides it cannot take.
    """
    limit_openmp_spinning()
    import cv2
    import torch

    from ltr.parallel.distributed import main_first
    from ltr.parallel.distributed_run import local_device

    with main_first():
        ensure_local_file()
    recipe = find_recipe(train_module, train_name)
    if overrides and not callable(getattr(recipe, "config", None)):
        raise BadValue(
            f"the recipe {train_module} {train_name} takes no --set: it has no function config(); "
            f"edit {recipe.__file__} instead"
        )
    cv2.setNumThreads(0)  # the loader's workers are the parallelism
    torch.backends.cudnn.benchmark = cudnn_benchmark
    print(f"Training:  {train_module}  {train_name}")

    from ltr.admin.settings import Settings
    from ltr.trainers.base_trainer import seed_everything

    settings = Settings()
    if device := local_device():
        settings.device = device
    settings.module_name = train_module
    settings.script_name = train_name
    settings.project_path = f"ltr/{train_module}/{train_name}"
    settings.overrides = dict(overrides or {})
    if seed is not None:
        settings.seed = seed
    seed_everything(settings.seed)
    recipe.run(settings)


def find_recipe(module: str, name: str) -> ModuleType:
    """Import a recipe; BadValue names the nearest known ones when there is no such recipe."""
    names = recipe_names(module)
    if name not in names:
        raise BadValue(
            f"there is no recipe '{name}' in the module "
            f"'{module}'{suggestion(name, names) or '.'} Known "
            f"are {', '.join(names) or 'none'}; {_where()}"
        )
    recipe = importlib.import_module(f"{RECIPES}.{module}.{name}")
    if not callable(getattr(recipe, "run", None)):
        raise BadValue(f"the recipe {recipe.__file__} defines no function run(settings); add one")
    return recipe


def recipe_names(module: str) -> list[str]:
    """The recipes of a module, those of plug-ins included; BadValue for an unknown module."""
    package = importlib.import_module(RECIPES)
    modules = sorted(
        {
            entry.name
            for root in package.__path__
            for entry in Path(root).iterdir()
            if entry.is_dir() and any(entry.glob("*.py"))
        }
    )
    if module not in modules:
        raise BadValue(
            f"there is no recipe module '{module}'{suggestion(module, modules) or '.'} Known are "
            f"{', '.join(modules)}; {_where()}"
        )
    return modules_in(f"{RECIPES}.{module}")


def _where() -> str:
    return (
        "recipes are files "
        f"{Path(__file__).resolve().parent / 'train_settings'}/<module>/<name>.py, "
        "or train_settings/<module>/<name>.py in a folder that PYTRACKING_PLUGINS names"
    )


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a dict; BadValue for a text of another form."""
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BadValue(f"--set {text}: expected NAME=VALUE, for example --set epochs=10")
        pairs[name.strip()] = value.strip()
    return pairs


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run a training recipe of ltr/train_settings.")
    parser.add_argument("train_module", help="folder of the recipe, e.g. spot or transt")
    parser.add_argument("train_name", help="name of the recipe, e.g. quickstart")
    parser.add_argument(
        "--cudnn_benchmark",
        type=true_or_false,
        default=True,
        metavar="BOOL",
        help="let cuDNN choose its fastest algorithms (default: true)",
    )
    parser.add_argument(
        "--seed", type=int, default=None, metavar="N", help="seed of the run (default: 0)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="change a setting of the recipe; may be repeated",
    )
    if os.environ.get("RANK", "0") != "0":  # of several processes the first says what is wrong
        parser.error = lambda _message: sys.exit(2)
    args = parser.parse_args(arguments)
    from ltr.parallel.distributed_run import distributed_run

    with distributed_run():
        run_training(
            args.train_module,
            args.train_name,
            args.cudnn_benchmark,
            args.seed,
            parse_assignments(args.overrides),
        )


if __name__ == "__main__":
    multiprocessing.set_start_method(
        "spawn", force=True
    )  # forked workers and CUDA or OpenCV threads do not mix
    run_script(main)
