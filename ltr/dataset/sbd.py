"""SBD, the Semantic Boundaries Dataset: instances in PASCAL VOC's images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.image_loader import jpeg4py_loader_w_failsafe
from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.mask_images import mask_info, refuse_fraction
from ltr.dataset.masks import labels_in
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, read_names
from ltr.dataset.sequence_index import SequenceIndex, index_file

SPLITS = ("train", "train_noval", "val")


@training_set()
class SBD(BaseImageDataset):
    """Instances of the images listed in `<split>.txt`: `img/<name>.jpg`, `inst/<name>.mat` below
    `root` or `sbd_dir` of local.py. An entry of `image_list` is a pair (name, instance number).
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader_w_failsafe,
        data_fraction: float | None = None,
        split: str = "train",
    ):
        refuse_fraction("SBD", data_fraction)
        if split not in SPLITS:
            raise BadValue(
                f"SBD: split '{split}' is not known{suggestion(split, SPLITS)}; choose one of "
                f"{', '.join(SPLITS)}"
            )
        root = find_root(
            "SBD", "sbd_dir", "inst/", "img/, inst/ and the lists train.txt, val.txt", root
        )
        super().__init__("sbd", root, image_loader)
        names = read_names(root / f"{split}.txt")
        index = SequenceIndex.open(
            index_file("sbd", root),
            names,
            [(self._annotation(name),) for name in names],
            lambda i: {"instances": np.array(labels_in(self._labels(names[i])), np.int32)},
            "SBD",
        )
        records = ((name, index[i]) for i, name in enumerate(names))
        self.image_list = [
            (name, int(k))
            for name, record in records
            if record is not None
            for k in record["instances"]
        ]

    def get_name(self) -> str:
        return self.name

    def has_segmentation_info(self) -> bool:
        return True

    def get_image_info(self, im_id: int) -> dict[str, torch.Tensor]:
        name, instance = self.image_list[im_id]
        return mask_info((self._labels(name) == instance).astype(np.uint8))

    def get_image(
        self, image_id: int, anno: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any], OrderedDict]:
        anno = self.get_image_info(image_id) if anno is None else anno
        name, _ = self.image_list[image_id]
        return self.image_loader(str(self.root / "img" / f"{name}.jpg")), anno, object_meta()

    def _labels(self, name: str) -> np.ndarray:
        return _read(self._annotation(name))

    def _annotation(self, name: str) -> Path:
        return self.root / "inst" / f"{name}.mat"


def _read(file: Path) -> np.ndarray:
    """Label image (H, W) uint8 of instances."""
    try:
        return np.asarray(loadmat(file)["GTinst"]["Segmentation"][0, 0], np.uint8)
    except FileNotFoundError:
        raise MissingFile(f"SBD: there is no {file}; get the rest of the data set") from None
    except (ValueError, KeyError, TypeError, OSError, NotImplementedError) as error:
        raise BadValue(f"SBD: {file} cannot be read ({error}); copy it again") from error
