"""The data sets known by name, and the one function that opens them.

A data set registers itself where it is defined (`ltr.dataset.registry`). At runtime
`dataset_dict['mine'] = DatasetInfo(...)` adds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from ltr.dataset.registry import (
    DatasetInfo,
    build,
    evaluation_sets,
    import_all,
    open_training_set,
)
from ltr.io import plugins
from pytracking.evaluation.data import BaseDataset, SequenceList

__all__ = [
    "DatasetInfo",
    "dataset_dict",
    "get_dataset",
    "get_dataset_attributes",
    "load_dataset",
    "open_dataset",
]

_PACKAGE = "pytracking.evaluation"
dataset_dict: dict[str, DatasetInfo] = evaluation_sets
# Data sets of video object segmentation bring torch, which a look at names does not need: their
# module is imported when one of them is opened.
_VOS_MODULE = "vosdataset"
for _name, _class, _arguments in (
    ("dv2017_val", "Davis", {"version": "2017", "split": "val"}),
    ("dv2016_val", "Davis", {"version": "2016", "split": "val"}),
    ("dv2017_test_dev", "Davis", {"version": "2017", "split": "test-dev"}),
    ("dv2017_test_chal", "Davis", {"version": "2017", "split": "test-challenge"}),
    ("yt2019_test", "YouTubeVOS", {"version": "2019", "split": "test"}),
    ("yt2019_valid", "YouTubeVOS", {"version": "2019", "split": "valid"}),
    ("yt2019_valid_all", "YouTubeVOS", {"version": "2019", "split": "valid", "all_frames": True}),
    ("yt2018_valid_all", "YouTubeVOS", {"version": "2018", "split": "valid", "all_frames": True}),
    ("yt2018_jjval", "YouTubeVOS", {"version": "2018", "split": "jjvalid"}),
    (
        "yt2019_jjval",
        "YouTubeVOS",
        {"version": "2019", "split": "jjvalid", "cleanup": ["starts"]},
    ),
    (
        "yt2019_jjval_all",
        "YouTubeVOS",
        {"version": "2019", "split": "jjvalid", "all_frames": True, "cleanup": ["starts"]},
    ),
):
    dataset_dict[_name] = DatasetInfo(f"{_PACKAGE}.{_VOS_MODULE}", _class, _arguments)

# Importing a module whose name ends with "dataset" registers the data sets in it.
import_all(
    _PACKAGE,
    [
        name
        for name in plugins.modules_in(_PACKAGE)
        if name.endswith("dataset") and name != _VOS_MODULE
    ],
)


def open_dataset(
    name: str,
    root: str | Path | None = None,
    split: str | None = None,
    *,
    training: bool = False,
    **arguments: Any,
) -> Any:
    """Open a data set by name, at the folder `root` or where local.py says.

    With `training` it gives frames to samplers (`ltr.dataset`), else sequences to trackers
    (`get_sequence_list`). `split` chooses a part: `open_dataset("got10k", split="val")` is
    `open_dataset("got10k_val")`. Further arguments are those of the class. Raises BadValue for an
    unknown name, with the nearest known one.
    """
    plugins.run_dataset_registrations()
    if training:
        return open_training_set(name, root, split, **arguments)
    key = name.lower()
    if split is not None:
        if f"{key}_{split}" in dataset_dict:
            key = f"{key}_{split}"
        else:
            arguments["split"] = split
    info = dataset_dict.get(key)
    if info is None:
        raise BadValue(
            f"Unknown dataset '{name}'{suggestion(key, dataset_dict)} - known are "
            f"{', '.join(sorted(dataset_dict))}"
        )
    return build(info, root, **{**info.kwargs, **arguments})


def load_dataset(name: str, **kwargs: Any) -> BaseDataset:
    """Return the evaluation data set registered as `name`, built with its own and the given
    arguments.
    """
    return open_dataset(name, **kwargs)


def get_dataset(*args: str, **kwargs) -> SequenceList:
    """The sequences of one or several data sets, by name, in one list."""
    sequences = SequenceList()
    for name in args:
        sequences.extend(load_dataset(name, **kwargs).get_sequence_list())
    return sequences


def get_dataset_attributes(name: str, mode: str = "short", **kwargs) -> dict[str, SequenceList]:
    """Sequences by challenge attribute (`mode` 'short' or 'long' names); `{name: all}` for data
    sets without any.
    """
    dataset = load_dataset(name, **kwargs)
    if not hasattr(dataset, "get_attribute_names"):
        return {name: get_dataset(name, **kwargs)}
    return {
        attribute: get_dataset(name, attribute=attribute, **kwargs)
        for attribute in dataset.get_attribute_names(mode=mode)
    }
