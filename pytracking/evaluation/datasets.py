"""The data sets known by name. Adding one is one entry here, or at runtime `dataset_dict['mine'] =
DatasetInfo(…)`.
"""

from __future__ import annotations

import importlib
from collections import namedtuple

from ltr.admin.errors import BadValue, suggestion
from pytracking.evaluation.data import BaseDataset, SequenceList
from pytracking.utils import plugins

DatasetInfo = namedtuple("DatasetInfo", ["module", "class_name", "kwargs"])


def _entry(module: str, class_name: str, **kwargs) -> DatasetInfo:
    return DatasetInfo(
        module=f"pytracking.evaluation.{module}", class_name=class_name, kwargs=kwargs
    )


dataset_dict: dict[str, DatasetInfo] = {
    "otb": _entry("otbdataset", "OTBDataset"),
    "nfs": _entry("nfsdataset", "NFSDataset"),
    "uav": _entry("uavdataset", "UAVDataset"),
    "tpl": _entry("tpldataset", "TPLDataset"),
    "tpl_nootb": _entry("tpldataset", "TPLDataset", exclude_otb=True),
    "vot": _entry("votdataset", "VOTDataset"),
    "trackingnet": _entry("trackingnetdataset", "TrackingNetDataset"),
    "trackingnetvos": _entry("trackingnetdataset", "TrackingNetDataset", vos_mode=True),
    "got10k_test": _entry("got10kdataset", "GOT10KDataset", split="test"),
    "got10k_val": _entry("got10kdataset", "GOT10KDataset", split="val"),
    "got10k_ltrval": _entry("got10kdataset", "GOT10KDataset", split="ltrval"),
    "got10kvos_val": _entry("got10kdataset", "GOT10KDataset", split="val", vos_mode=True),
    "lasot": _entry("lasotdataset", "LaSOTDataset"),
    "lasotvos": _entry("lasotdataset", "LaSOTDataset", vos_mode=True),
    "lasot_train": _entry("lasotdataset", "LaSOTTrainSequencesDataset"),
    "lasot_extension_subset": _entry("lasotextensionsubsetdataset", "LaSOTExtensionSubsetDataset"),
    "oxuva_dev": _entry("oxuvadataset", "OxUvADataset", split="dev"),
    "oxuva_test": _entry("oxuvadataset", "OxUvADataset", split="test"),
    "avist": _entry("avistdataset", "AVisTDataset"),
    "lagot": _entry("lagotdataset", "LaGOTDataset", sot_mode=False),
    "lagot_sot_mode": _entry("lagotdataset", "LaGOTDataset", sot_mode=True),
    "dv2017_val": _entry("vosdataset", "Davis", version="2017", split="val"),
    "dv2016_val": _entry("vosdataset", "Davis", version="2016", split="val"),
    "dv2017_test_dev": _entry("vosdataset", "Davis", version="2017", split="test-dev"),
    "dv2017_test_chal": _entry("vosdataset", "Davis", version="2017", split="test-challenge"),
    "yt2019_test": _entry("vosdataset", "YouTubeVOS", version="2019", split="test"),
    "yt2019_valid": _entry("vosdataset", "YouTubeVOS", version="2019", split="valid"),
    "yt2019_valid_all": _entry(
        "vosdataset", "YouTubeVOS", version="2019", split="valid", all_frames=True
    ),
    "yt2018_valid_all": _entry(
        "vosdataset", "YouTubeVOS", version="2018", split="valid", all_frames=True
    ),
    "yt2018_jjval": _entry("vosdataset", "YouTubeVOS", version="2018", split="jjvalid"),
    "yt2019_jjval": _entry(
        "vosdataset", "YouTubeVOS", version="2019", split="jjvalid", cleanup=["starts"]
    ),
    "yt2019_jjval_all": _entry(
        "vosdataset",
        "YouTubeVOS",
        version="2019",
        split="jjvalid",
        all_frames=True,
        cleanup=["starts"],
    ),
    "toy": _entry("toydataset", "ToyDataset", split="test"),
    "toy_test": _entry("toydataset", "ToyDataset", split="test"),
    "toy_val": _entry("toydataset", "ToyDataset", split="val"),
    "toy_train": _entry("toydataset", "ToyDataset", split="train"),
    "folder": _entry("folderdataset", "FolderDataset"),
}


def load_dataset(name: str, **kwargs) -> BaseDataset:
    """The data set object registered as `name` (case does not matter), built with its own and the
    given arguments.
    """
    plugins.run_dataset_registrations()
    info = dataset_dict.get(name.lower())
    if info is None:
        raise BadValue(
            f"Unknown dataset '{name}'{suggestion(name.lower(), dataset_dict)} - known are "
            f"{', '.join(sorted(dataset_dict))}"
        )
    dataset_class = getattr(importlib.import_module(info.module), info.class_name)
    return dataset_class(**{**info.kwargs, **kwargs})


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
