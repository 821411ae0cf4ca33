"""GOT-10k, as unpacked: `<got10k_path>/{train,val,test}/list.txt` and one folder per sequence."""

from __future__ import annotations

import os

from ltr.admin.errors import BadValue, MissingFile
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.environment import local_file
from pytracking.evaluation.frames import numbered_frames
from pytracking.utils.load_text import read_boxes, read_text


class GOT10KDataset(BaseDataset):
    """The `split` 'val' or 'test' of GOT-10k; the test split has the first frame's box only."""

    title, path_attribute, tag = "GOT-10k", "got10k_path", "got10k"
    splits = ("val", "test")

    def __init__(self, split: str):
        super().__init__()
        if split not in self.splits:
            raise BadValue(f"{self.title}: unknown split '{split}', use {' or '.join(self.splits)}")
        self.split = split
        self.base_path = os.path.join(self.folder(self.path_attribute, self.title), split)
        self.sequence_list = self._get_sequence_list()

    def _get_sequence_list(self) -> list[str]:
        list_file = os.path.join(self.base_path, "list.txt")
        if not os.path.isfile(list_file):
            raise MissingFile(f"{self.title}: no list.txt in '{self.base_path}' - point {self.path_attribute} in "
                              f"{local_file()} at the folder that holds {self.split}/list.txt")
        return read_text(list_file).split()

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, self.tag, self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        folder = os.path.join(self.base_path, name)
        boxes_xywh = read_boxes(os.path.join(folder, "groundtruth.txt"))
        return Sequence(name, numbered_frames(folder, self.title), self.tag, boxes_xywh)

    def __len__(self) -> int:
        return len(self.sequence_list)
