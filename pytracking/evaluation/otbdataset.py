"""OTB-100: `<Name>/img/%04d.jpg` and `<Name>/groundtruth_rect.txt`, boxes used as written (they
count pixels from 1).

The list comes from the folders on disk; the exceptions to "as many frames as ground-truth rows,
from 1" are below.
"""

from __future__ import annotations

import glob
import os

from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.attributes import OfficialAttributes, WithAttributes
from pytracking.evaluation.tabledataset import TableDataset

FIRST_FRAME = {"BlurCar1": 247, "BlurCar3": 3, "BlurCar4": 18, "David": 300}
LAST_FRAME = {"Diving": 215, "Freeman3": 460, "Freeman4": 283, "Football1": 74}
SKIPPED_AT_START = {"Tiger1": 5}
DIGITS = {"Board": 5}
TARGETS = {"Human4": ("2",)}  # folders with several targets of which the benchmark has only these


@evaluation_set("otb")
class OTBDataset(WithAttributes, TableDataset):
    """The sequences on disk, in alphabetical order ignoring case; optionally those with a challenge
    `attribute`.
    """

    title, path_attribute, tag, expected = "OTB", "otb_path", "otb", 100
    layout = "<Name>/groundtruth_rect.txt"
    attribute_file = "otb_attributes.json"
    official_attributes = OfficialAttributes(
        "anno/att",
        (
            ("IV", "Illumination Variation"),
            ("OPR", "Out-of-Plane Rotation"),
            ("SV", "Scale Variation"),
            ("OCC", "Occlusion"),
            ("DEF", "Deformation"),
            ("MB", "Motion Blur"),
            ("FM", "Fast Motion"),
            ("IPR", "In-Plane Rotation"),
            ("OV", "Out-of-View"),
            ("BC", "Background Clutters"),
            ("LR", "Low Resolution"),
        ),
    )

    def _describe_sequences(self) -> list[dict]:
        infos = []
        for entry in os.scandir(self.base_path):
            for anno in glob.glob(os.path.join(glob.escape(entry.path), "groundtruth_rect*.txt")):
                target = os.path.basename(anno)[len("groundtruth_rect") : -len(".txt")].lstrip(".")
                if entry.name not in TARGETS or target in TARGETS[entry.name]:
                    infos.append(
                        self._describe(entry.name, target, os.path.relpath(anno, self.base_path))
                    )
        return sorted(infos, key=lambda info: info["name"].lower())

    def _describe(self, folder: str, target: str, anno_path: str) -> dict:
        digits = DIGITS.get(folder, 4)
        start = FIRST_FRAME.get(folder, 1)
        last = start + self.row_count(anno_path) - 1
        path, ext = self._image_place(folder, f"{start:0{digits}d}")
        info = {
            "name": f"{folder}_{target}" if target else folder,
            "path": path,
            "startFrame": start,
            "endFrame": min(last, LAST_FRAME.get(folder, last)),
            "nz": digits,
            "ext": ext,
            "anno_path": anno_path,
        }
        if folder in SKIPPED_AT_START:
            info["initOmit"] = SKIPPED_AT_START[folder]
        return info

    def _image_place(self, folder: str, first: str) -> tuple[str, str]:
        """Image folder and ending: `img`, jpg, except for KiteSurf, of which copies with other
        places are about.
        """
        for images, ext in (("img", "jpg"), ("img", "png"), ("jpg", "png"), ("jpg", "jpg")):
            if os.path.isfile(os.path.join(self.base_path, folder, images, f"{first}.{ext}")):
                return f"{folder}/{images}", ext
        return f"{folder}/img", "jpg"
