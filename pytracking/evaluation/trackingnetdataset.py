"""TrackingNet's test set: `TEST/anno/<name>.txt` (first frame's box) and `TEST/frames/<name>/<i>.jpg`."""

from __future__ import annotations

import os

from ltr.admin.errors import MissingFile
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.environment import local_file
from pytracking.evaluation.frames import numbered_frames
from pytracking.utils.load_text import read_boxes


class TrackingNetDataset(BaseDataset):
    """The 511 test videos, sorted by name. `load_frames=False` gives sequences without frames (for packing results)."""

    def __init__(self, load_frames: bool = True):
        super().__init__()
        self.base_path = self.folder("trackingnet_path", "TrackingNet")
        self.load_frames = load_frames
        annotations = os.path.join(self.base_path, "TEST", "anno")
        if not os.path.isdir(annotations):
            raise MissingFile(f"TrackingNet: no folder '{annotations}' - point trackingnet_path in {local_file()} at "
                              "the folder that holds TEST/")
        self.sequence_list = sorted(name[:-4] for name in os.listdir(annotations) if name.endswith(".txt"))

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, "trackingnet", self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        boxes_xywh = read_boxes(os.path.join(self.base_path, "TEST", "anno", f"{name}.txt"))
        frames = []
        if self.load_frames:
            frames = numbered_frames(os.path.join(self.base_path, "TEST", "frames", name), "TrackingNet")
        return Sequence(name, frames, "trackingnet", boxes_xywh)

    def __len__(self) -> int:
        return len(self.sequence_list)
