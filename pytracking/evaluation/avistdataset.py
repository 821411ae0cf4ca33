"""AVisT (adverse visibility): `sequences/<n>/img_%05d.jpg`, `anno/<n>.txt` and the visibility
files.
"""

from __future__ import annotations

import os

from ltr.admin.errors import MissingFile
from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.attributes import WithAttributes
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.lasotdataset import read_visibility
from pytracking.evaluation.lists import report_partial, report_without_frames
from pytracking.evaluation.tabledataset import text_stems
from pytracking.utils.load_text import read_boxes


@evaluation_set("avist")
class AVisTDataset(WithAttributes, BaseDataset):
    """The 120 sequences with a file in `anno`, sorted by name; optionally those with a challenge
    `attribute`.
    """

    title, tag = "AVisT", "avist"
    attribute_file = "avist_attributes.json"

    def __init__(self, attribute: str | None = None, root: str | None = None):
        super().__init__(root=root)
        self.base_path = self.folder("avist_path", self.title)
        self.sequence_list = text_stems(os.path.join(self.base_path, "anno"))
        if not self.sequence_list:
            raise MissingFile(
                f"AVisT: no anno/<sequence>.txt in '{self.base_path}' - "
                + self.remedy("avist_path", "anno/ and sequences/")
            )
        report_partial(self.title, len(self.sequence_list), 120, self.base_path)
        report_without_frames(
            self.title, ((name, self._image_folder(name)) for name in self.sequence_list)
        )
        if attribute is not None:
            self.sequence_list = self._attributes().select(self.sequence_list, attribute)

    def _image_folder(self, name: str) -> str:
        return os.path.join(self.base_path, "sequences", name)

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, self.tag, self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        boxes_xywh = read_boxes(os.path.join(self.base_path, "anno", f"{name}.txt"))
        visible = read_visibility(
            self.title,
            *(
                os.path.join(self.base_path, kind, f"{name}_{kind}.txt")
                for kind in ("full_occlusion", "out_of_view")
            ),
        )
        frames = [
            os.path.join(self._image_folder(name), f"img_{number:05d}.jpg")
            for number in range(1, len(boxes_xywh) + 1)
        ]
        return Sequence(name, frames, self.tag, boxes_xywh, target_visible=visible)

    def __len__(self) -> int:
        return len(self.sequence_list)
