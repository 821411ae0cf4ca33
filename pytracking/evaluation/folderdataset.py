"""Any videos: a folder whose sub-folders hold the images of one video each and a
`groundtruth.txt`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ltr.admin.errors import BadValue, MissingFile
from ltr.dataset.registry import evaluation_set
from ltr.frames.names import images_in, natural_key
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.utils.load_text import read_boxes

_log = logging.getLogger(__name__)


@evaluation_set("folder")
class FolderDataset(BaseDataset):
    """The videos under `folder_path` of local.py.

    `<video>/` holds jpg or png images (or a sub-folder `img` with them), sorted so that 9 comes
    before 10, and `groundtruth.txt`: the box x,y,w,h of the first frame, or one row per frame.
    Videos without that file cannot be tracked; a log line names them.
    """

    def __init__(self, root: str | None = None):
        super().__init__(root=root)
        self.base_path = self.folder("folder_path", "folder of videos")
        videos = sorted(
            (entry.name for entry in os.scandir(self.base_path) if _image_folder(entry.path)),
            key=natural_key,
        )
        self.sequence_list = [name for name in videos if os.path.isfile(self._box_file(name))]
        without = [name for name in videos if name not in set(self.sequence_list)]
        if without:
            _log.warning(
                "%s: left out %d videos without groundtruth.txt (one row x,y,w,h for the first "
                "frame): %s",
                self.base_path,
                len(without),
                ", ".join(without[:5]) + (", …" if len(without) > 5 else ""),
            )
        if not self.sequence_list:
            raise MissingFile(
                f"folder of videos: '{self.base_path}' has no sub-folder with images and "
                "groundtruth.txt "
                "- put the images of each video in a sub-folder, and its first box x,y,w,h in "
                "groundtruth.txt there"
            )

    def _box_file(self, name: str) -> str:
        return os.path.join(self.base_path, name, "groundtruth.txt")

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, "folder", self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        place = os.path.join(self.base_path, name)
        frames = [str(path) for path in images_in(Path(_image_folder(place) or place))]
        boxes_xywh = read_boxes(self._box_file(name))
        if len(boxes_xywh) not in (1, len(frames)):
            raise BadValue(
                f"{self._box_file(name)} has {len(boxes_xywh)} rows for {len(frames)} images - "
                "give one row "
                "for the first frame, or one per frame"
            )
        return Sequence(name, frames, "folder", boxes_xywh)

    def __len__(self) -> int:
        return len(self.sequence_list)


def _image_folder(folder: str) -> str | None:
    """Where the images of a video lie: the folder itself, else its `img`; None when there are
    none.
    """
    for place in (folder, os.path.join(folder, "img")):
        if os.path.isdir(place) and images_in(Path(place)):
            return place
    return None
