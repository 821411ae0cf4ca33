"""The one table of data sets by name, for training and for evaluation.

A class registers itself where it is defined, with `training_set` or `evaluation_set`, so a new data
set is one file. `pytracking.evaluation.datasets.open_dataset` opens one of either kind.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections import namedtuple
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from ltr.admin.errors import BadValue, suggestion
from ltr.io.plugins import modules_in

log = logging.getLogger(__name__)

DatasetInfo = namedtuple("DatasetInfo", ["module", "class_name", "kwargs"])
DatasetClass = TypeVar("DatasetClass", bound=type)

training_sets: dict[str, DatasetInfo] = {}
evaluation_sets: dict[str, DatasetInfo] = {}
_imported: set[str] = set()


def training_set(*names: str, **defaults: Any) -> Callable[[DatasetClass], DatasetClass]:
    """Register a class under its own name, in any case, and under `names`.

    `defaults` are its arguments where nobody gives any.
    """

    def register(dataset_class: DatasetClass) -> DatasetClass:
        info = DatasetInfo(dataset_class.__module__, dataset_class.__name__, defaults)
        for name in (dataset_class.__name__, *names):
            training_sets[plain_name(name)] = info
        return dataset_class

    return register


def evaluation_set(name: str, **arguments: Any) -> Callable[[DatasetClass], DatasetClass]:
    """Register a class with these arguments as the evaluation data set `name`."""

    def register(dataset_class: DatasetClass) -> DatasetClass:
        evaluation_sets[name] = DatasetInfo(
            dataset_class.__module__, dataset_class.__name__, arguments
        )
        return dataset_class

    return register


def plain_name(name: str) -> str:
    """Return a name in small letters without - and _."""
    return name.lower().replace("_", "").replace("-", "")


def import_all(package: str, names: Iterable[str] | None = None) -> None:
    """Import the modules of a package, or those of `names`, so that their classes register."""
    for name in modules_in(package) if names is None else names:
        module = f"{package}.{name}"
        if module in _imported:
            continue
        _imported.add(module)
        try:
            importlib.import_module(module)
        except Exception as error:
            # A broken file of the user's must not hide all the other data sets.
            log.warning("%s is left out: %s: %s", module, type(error).__name__, error)


def build(info: DatasetInfo, root: str | Path | None, **arguments: Any) -> Any:
    """Construct the data set of an entry, at `root` where one is given."""
    dataset_class = getattr(importlib.import_module(info.module), info.class_name)
    if root is not None:
        if "root" not in inspect.signature(dataset_class).parameters:
            raise BadValue(
                f"{info.class_name}: takes no folder; set it in local.py and leave the folder out"
            )
        arguments["root"] = str(root)
    return dataset_class(**arguments)


def open_training_set(
    name: str, root: str | Path | None = None, split: str | None = None, **arguments: Any
) -> Any:
    """Open the training data set `name`, at `root` or where ltr's local.py says.

    `arguments` are those of its class; the class's own defaults hold where none are given. Raises
    BadValue for an unknown name, with the nearest known one.
    """
    import_all("ltr.dataset")
    info = training_sets.get(plain_name(name))
    if info is None:
        raise BadValue(
            f"training data set '{name}' is not known{suggestion(name.lower(), training_sets)}; "
            f"known are {', '.join(sorted(training_sets))}"
        )
    if split is not None:
        arguments["split"] = split
    return build(info, root, **(arguments or info.kwargs))


def open_video_folder(root: Path) -> Any:
    """Open a folder of one's own videos, `ltr.dataset.video_folder.VideoFolder`."""
    return build(DatasetInfo("ltr.dataset.video_folder", "VideoFolder", {}), root)
