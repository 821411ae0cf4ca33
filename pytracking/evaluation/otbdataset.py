"""OTB-100: `<Name>/img/%04d.jpg` and `<Name>/groundtruth_rect.txt`, boxes used as written (they count pixels from 1).

The list comes from the folders on disk. A sequence has as many frames as ground-truth rows; the exceptions are below.
"""

from __future__ import annotations

import functools
import glob
import os

from ltr.admin.errors import MissingFile
from pytracking.evaluation.attributes import AttributeTable
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.environment import local_file
from pytracking.utils.load_text import read_boxes, read_text

FIRST_FRAME = {"BlurCar1": 247, "BlurCar3": 3, "BlurCar4": 18, "David": 300}
LAST_FRAME = {"Diving": 215, "Freeman3": 460, "Freeman4": 283, "Football1": 74}
SKIPPED_AT_START = {"Tiger1": 5}
DIGITS = {"Board": 5}
TARGETS = {"Human4": ("2",)}  # folders with several targets of which the benchmark has only these


class OTBDataset(BaseDataset):
    """The sequences on disk, in alphabetical order ignoring case; optionally those with a challenge `attribute`."""

    def __init__(self, attribute: str | None = None):
        super().__init__()
        self.base_path = self.folder("otb_path", "OTB")
        self.attribute = attribute

    @functools.cached_property
    def sequence_info_list(self) -> list[dict]:
        """One dict per sequence: `name, path, startFrame, endFrame, nz, ext, anno_path` and `initOmit` where frames are
        skipped at the start. May be replaced by a shorter list."""
        infos = []
        for entry in os.scandir(self.base_path):
            for anno in glob.glob(os.path.join(glob.escape(entry.path), "groundtruth_rect*.txt")):
                target = os.path.basename(anno)[len("groundtruth_rect"):-len(".txt")].lstrip(".")
                if entry.name not in TARGETS or target in TARGETS[entry.name]:
                    infos.append(self._describe(entry.name, target, anno))
        if not infos:
            raise MissingFile(f"OTB: no <Name>/groundtruth_rect.txt in '{self.base_path}' - point otb_path in "
                              f"{local_file()} at the folder of sequence folders")
        infos.sort(key=lambda info: info["name"].lower())
        if self.attribute is not None:
            chosen = set(self._attributes().select([info["name"] for info in infos], self.attribute))
            infos = [info for info in infos if info["name"] in chosen]
        return infos

    def _describe(self, folder: str, target: str, anno: str) -> dict:
        digits = DIGITS.get(folder, 4)
        start = FIRST_FRAME.get(folder, 1)
        last = start + len(read_text(anno).rstrip().split("\n")) - 1
        path, ext = self._image_place(folder, f"{start:0{digits}d}")
        info = {"name": f"{folder}_{target}" if target else folder, "path": path, "startFrame": start,
                "endFrame": min(last, LAST_FRAME.get(folder, last)), "nz": digits, "ext": ext,
                "anno_path": os.path.relpath(anno, self.base_path)}
        if folder in SKIPPED_AT_START:
            info["initOmit"] = SKIPPED_AT_START[folder]
        return info

    def _image_place(self, folder: str, first: str) -> tuple[str, str]:
        """Image folder and ending: `img`, jpg, except for KiteSurf, of which copies with other places are about."""
        for images, ext in (("img", "jpg"), ("img", "png"), ("jpg", "png"), ("jpg", "jpg")):
            if os.path.isfile(os.path.join(self.base_path, folder, images, f"{first}.{ext}")):
                return f"{folder}/{images}", ext
        return f"{folder}/img", "jpg"

    @staticmethod
    def _attributes() -> AttributeTable:
        return AttributeTable("OTB", "otb_attributes.json")

    def get_attribute_names(self, mode: str = "short") -> list[str]:
        """Names of the 11 challenge attributes."""
        return self._attributes().names(mode)

    def get_sequence_list(self) -> SequenceList:
        self._info_by_name = {info["name"]: info for info in self.sequence_info_list}
        return lazy_list(self._info_by_name, "otb", self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        info = self._info_by_name[name]
        skipped = info.get("initOmit", 0)
        frames = [os.path.join(self.base_path, info["path"], f"{number:0{info['nz']}d}.{info['ext']}")
                  for number in range(info["startFrame"] + skipped, info["endFrame"] + 1)]
        boxes_xywh = read_boxes(os.path.join(self.base_path, info["anno_path"]))[skipped:]
        return Sequence(name, frames, "otb", boxes_xywh, object_class=info.get("object_class"))

    def __len__(self) -> int:
        return len(self.sequence_info_list)
