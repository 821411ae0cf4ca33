"""UAV123: `data_seq/UAV123/<video>/%06d.jpg` and `anno/UAV123/<n>.txt`; sequences are named
`uav_<n>`.

Some videos are split into sequences `<video>_1`, `<video>_2`, …, whose boxes have files of their
own.
"""

from __future__ import annotations

import os

from ltr.admin.errors import MissingFile
from ltr.dataset.registry import evaluation_set
from ltr.frames.names import natural_key
from pytracking.evaluation.attributes import OfficialAttributes, WithAttributes
from pytracking.evaluation.lists import report_without_frames
from pytracking.evaluation.tabledataset import TableDataset, text_stems

FIRST_FRAME = {
    "bird1_2": 775,
    "bird1_3": 1573,
    "uav1_3": 2473,
}  # parts that do not follow on the part before


@evaluation_set("uav")
class UAVDataset(WithAttributes, TableDataset):
    """The sequences with a file in `anno/UAV123`, sorted by name; optionally those with a challenge
    `attribute`.

    Part 1 of a split video starts at frame 1, part k at the last frame of part k-1, which both
    have; `FIRST_FRAME` holds the exceptions. Frames without a target have NaN boxes.
    """

    title, path_attribute, tag, expected = "UAV123", "uav_path", "uav", 123
    layout = "anno/UAV123/<sequence>.txt"
    attribute_file = "UAV123_attributes.json"
    official_attributes = OfficialAttributes(
        "anno/UAV123/att",
        (
            ("SV", "Scale Variation"),
            ("ARC", "Aspect Ratio Change"),
            ("LR", "Low Resolution"),
            ("FM", "Fast Motion"),
            ("FOC", "Full Occlusion"),
            ("POC", "Partial Occlusion"),
            ("OV", "Out-of-View"),
            ("BC", "Background Clutter"),
            ("IV", "Illumination Variation"),
            ("VC", "Viewpoint Change"),
            ("CM", "Camera Motion"),
            ("SOB", "Similar Object"),
        ),
    )

    def _describe_sequences(self) -> list[dict]:
        stems = text_stems(os.path.join(self.base_path, "anno", "UAV123"))
        infos: dict[str, dict] = {}
        last_of_part: dict[str, int] = {}
        for stem in sorted(stems, key=natural_key):  # part 10 after part 9
            video, _, part = stem.rpartition("_")
            if not part.isdecimal() or os.path.isdir(self._image_folder(stem)):
                video, part = stem, "1"
            first = FIRST_FRAME.get(stem)
            if first is None and part == "1":
                first = 1
            elif first is None:
                before = f"{video}_{int(part) - 1}"
                if before not in last_of_part:
                    raise MissingFile(
                        f"UAV123: no anno/UAV123/{before}.txt in '{self.base_path}', which tells "
                        f"where {stem} "
                        "starts - copy it there"
                    )
                first = last_of_part[before]
            anno_path = f"anno/UAV123/{stem}.txt"
            last = first + self.row_count(anno_path) - 1
            last_of_part[f"{video}_{part}"] = last
            infos[stem] = {
                "name": f"uav_{stem}",
                "path": f"data_seq/UAV123/{video}",
                "startFrame": first,
                "endFrame": last,
                "nz": 6,
                "ext": "jpg",
                "anno_path": anno_path,
            }
        report_without_frames(
            self.title,
            ((info["name"], os.path.join(self.base_path, info["path"])) for info in infos.values()),
        )
        return [infos[stem] for stem in stems]

    def _image_folder(self, video: str) -> str:
        return os.path.join(self.base_path, "data_seq", "UAV123", video)

    @staticmethod
    def attribute_key(name: str) -> str:
        return name[len("uav_") :]
