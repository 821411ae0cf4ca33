"""The rendered toy videos: a GOT-10k tree under `toy_path` in which every split has all boxes."""

from __future__ import annotations

from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.got10kdataset import GOT10KDataset


@evaluation_set("toy", split="test")
@evaluation_set("toy_test", split="test")
@evaluation_set("toy_val", split="val")
@evaluation_set("toy_train", split="train")
class ToyDataset(GOT10KDataset):
    """The `split` 'test', 'val' or 'train' of the toy videos."""

    title, path_attribute, tag = "toy videos", "toy_path", "toy"
    splits = ("test", "val", "train")
