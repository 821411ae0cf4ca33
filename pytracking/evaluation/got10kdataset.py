"""GOT-10k, as unpacked: `<got10k_path>/{train,val,test}/list.txt` and one folder per sequence."""

from __future__ import annotations

import logging
import os

from ltr.admin.errors import BadValue, MissingFile
from ltr.dataset import got10k_layout as layout
from ltr.dataset.registry import evaluation_set
from ltr.dataset.roots import read_ids
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.frames import first_frame_masks, numbered_frames
from pytracking.evaluation.lists import spec_list
from pytracking.utils.load_text import read_boxes, read_text

_log = logging.getLogger(__name__)


@evaluation_set("got10k_test", split="test")
@evaluation_set("got10k_val", split="val")
@evaluation_set("got10k_ltrval", split="ltrval")
@evaluation_set("got10kvos_val", split="val", vos_mode=True)
class GOT10KDataset(BaseDataset):
    """The `split` 'val' or 'test' of GOT-10k, or 'ltrval': the videos of its train folder that
    training leaves for validation. The test split has the first frame's box only.

    'ltrval' takes the 0-based ids in `got10k_val_split.txt` of `dataspec_path`; without that list
    the rule of `ltr.dataset.Got10k(split='val')`, so that no video of it was trained on. With
    `vos_mode` sequences also start from a mask, `<got10k_mask_path>/<sequence>/<first frame>.png`.
    """

    title, path_attribute, tag = "GOT-10k", "got10k_path", "got10k"
    splits = ("val", "test", "ltrval")

    def __init__(self, split: str, vos_mode: bool = False, root: str | None = None):
        super().__init__(root=root)
        if split not in self.splits:
            raise BadValue(f"{self.title}: unknown split '{split}', use {' or '.join(self.splits)}")
        self.split = split
        self.vos_mode = vos_mode
        self.base_path = os.path.join(
            self.folder(self.path_attribute, self.title), "train" if split == "ltrval" else split
        )
        self.base_path_mask = (
            self.folder("got10k_mask_path", f"{self.title} with masks") if vos_mode else None
        )
        self.sequence_list = self._get_sequence_list()

    def _get_sequence_list(self) -> list[str]:
        list_file = os.path.join(self.base_path, layout.LIST)
        if not os.path.isfile(list_file):
            raise MissingFile(
                f"{self.title}: no list.txt in '{self.base_path}' - "
                + self.remedy(self.path_attribute, f"{os.path.basename(self.base_path)}/list.txt")
            )
        names = read_text(list_file).split()
        return self._held_out(names) if self.split == "ltrval" else names

    def _held_out(self, names: list[str]) -> list[str]:
        ids_file = spec_list(self.env_settings, layout.ID_FILES["val"])
        if ids_file is None:
            # No video of it was trained on: the rule is that of `ltr.dataset.Got10k`.
            return [names[i] for i in layout.split_ids("val", len(names))]
        _log.info("%s: the sequences listed in %s", self.title, ids_file)
        return [names[i] for i in read_ids(ids_file, len(names))]

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, self.tag, self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        folder = os.path.join(self.base_path, name)
        boxes_xywh = read_boxes(os.path.join(folder, layout.BOXES))
        frames = numbered_frames(folder, self.title)
        masks = (
            first_frame_masks(self.base_path_mask, name, frames) if self.base_path_mask else None
        )
        return Sequence(name, frames, self.tag, boxes_xywh, ground_truth_seg=masks)

    def __len__(self) -> int:
        return len(self.sequence_list)
