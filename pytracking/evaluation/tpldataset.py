"""Temple Color 128: `tpl_<n>/img/%04d.jpg` and `tpl_<n>/<n>_gt.txt`; sequences are named
`tpl_<n>`.
"""

from __future__ import annotations

import glob
import logging
import os

from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.tabledataset import TableDataset

FIRST_FRAME = {"David": 300, "Busstation_ce2": 6, "Hurdle_ce2": 27}
LAST_FRAME = {"David": 770, "Busstation_ce2": 400, "Hurdle_ce2": 330}
PREFIX = "tpl_"

# Names without `_ce` were taken over from earlier sets; all of them are in OTB-100 except these.
NOT_IN_OTB = {"Bicycle", "Cup", "Hand", "Iceskater", "Juice", "Sunshade", "Torus"}

_log = logging.getLogger(__name__)


@evaluation_set("tpl")
@evaluation_set("tpl_nootb", exclude_otb=True)
class TPLDataset(TableDataset):
    """The sequences on disk, alphabetical ignoring case; with `exclude_otb` without those that
    OTB-100 has too.

    Folders may also lack the prefix, as in the original download.
    """

    title, path_attribute, tag, expected = "Temple Color", "tpl_path", "tpl", 129
    layout = "tpl_<sequence>/<sequence>_gt.txt"

    def __init__(self, exclude_otb: bool = False, root: str | None = None):
        super().__init__(root=root)
        self.exclude_otb = exclude_otb
        if exclude_otb:
            self.expected = 85

    def _describe_sequences(self) -> list[dict]:
        infos = [
            self._describe(entry.name, anno)
            for entry in os.scandir(self.base_path)
            if entry.is_dir()
            for anno in glob.glob(os.path.join(glob.escape(entry.path), "*_gt.txt"))
        ]
        kept = [info for info in infos if not (self.exclude_otb and in_otb(info["name"]))]
        if self.exclude_otb:
            _log.info(
                "Temple Color: left out %d sequences that OTB-100 has too", len(infos) - len(kept)
            )
        return sorted(kept, key=lambda info: info["name"].lower())

    def _describe(self, folder: str, anno: str) -> dict:
        # The file of tpl_Yo_yos_ce1 is spelt Yo-yos_ce1_gt.txt, so the folder names the sequence.
        plain = folder.removeprefix(PREFIX).replace("-", "_")
        anno_path = os.path.relpath(anno, self.base_path)
        first = FIRST_FRAME.get(plain, 1)
        last = first + self.row_count(anno_path) - 1
        return {
            "name": PREFIX + plain,
            "path": f"{folder}/img",
            "startFrame": first,
            "endFrame": min(last, LAST_FRAME.get(plain, last)),
            "nz": 4,
            "ext": "jpg",
            "anno_path": anno_path,
        }


def in_otb(name: str) -> bool:
    """Say whether OTB-100 has the sequence `tpl_<n>` too (44 of the 129)."""
    plain = name.removeprefix(PREFIX)
    return "_ce" not in plain and plain not in NOT_IN_OTB
