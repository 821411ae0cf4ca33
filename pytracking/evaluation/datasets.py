"""The data sets known by name. Adding one is one entry here, or at runtime `dataset_dict['mine'] = DatasetInfo(…)`."""

from __future__ import annotations

import importlib
from collections import namedtuple

from ltr.admin.errors import BadValue, suggestion
from pytracking.evaluation.data import BaseDataset, SequenceList
from pytracking.utils import plugins

DatasetInfo = namedtuple("DatasetInfo", ["module", "class_name", "kwargs"])


def _entry(module: str, class_name: str, **kwargs) -> DatasetInfo:
    return DatasetInfo(module=f"pytracking.evaluation.{module}", class_name=class_name, kwargs=kwargs)


dataset_dict: dict[str, DatasetInfo] = {
    "otb": _entry("otbdataset", "OTBDataset"),
    "trackingnet": _entry("trackingnetdataset", "TrackingNetDataset"),
    "got10k_test": _entry("got10kdataset", "GOT10KDataset", split="test"),
    "got10k_val": _entry("got10kdataset", "GOT10KDataset", split="val"),
    "lasot": _entry("lasotdataset", "LaSOTDataset"),
    "toy": _entry("toydataset", "ToyDataset", split="test"),
    "toy_test": _entry("toydataset", "ToyDataset", split="test"),
    "toy_val": _entry("toydataset", "ToyDataset", split="val"),
    "toy_train": _entry("toydataset", "ToyDataset", split="train"),
    "folder": _entry("folderdataset", "FolderDataset"),
}


def load_dataset(name: str, **kwargs) -> BaseDataset:
    """The data set object registered as `name` (case does not matter), built with its own and the given arguments."""
    plugins.run_dataset_registrations()
    info = dataset_dict.get(name.lower())
    if info is None:
        raise BadValue(f"Unknown dataset '{name}'{suggestion(name.lower(), dataset_dict)} - known are "
                       f"{', '.join(sorted(dataset_dict))}")
    dataset_class = getattr(importlib.import_module(info.module), info.class_name)
    return dataset_class(**{**info.kwargs, **kwargs})


def get_dataset(*args: str, **kwargs) -> SequenceList:
    """The sequences of one or several data sets, by name, in one list."""
    sequences = SequenceList()
    for name in args:
        sequences.extend(load_dataset(name, **kwargs).get_sequence_list())
    return sequences


def get_dataset_attributes(name: str, mode: str = "short", **kwargs) -> dict[str, SequenceList]:
    """Sequences by challenge attribute (`mode` 'short' or 'long' names); `{name: all}` for data sets without any."""
    dataset = load_dataset(name, **kwargs)
    if not hasattr(dataset, "get_attribute_names"):
        return {name: get_dataset(name, **kwargs)}
    return {attribute: get_dataset(name, attribute=attribute, **kwargs)
            for attribute in dataset.get_attribute_names(mode=mode)}
