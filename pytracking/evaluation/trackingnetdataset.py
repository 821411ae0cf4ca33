"""TrackingNet's test set: `TEST/anno/<name>.txt` (first frame's box) and
`TEST/frames/<name>/<i>.jpg`.
"""

from __future__ import annotations

import os

from ltr.admin.errors import MissingFile
from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.frames import first_frame_masks, numbered_frames
from pytracking.evaluation.lists import report_partial, report_without_frames
from pytracking.evaluation.tabledataset import text_stems
from pytracking.utils.load_text import read_boxes

SEQUENCES = 511


@evaluation_set("trackingnet")
@evaluation_set("trackingnetvos", vos_mode=True)
class TrackingNetDataset(BaseDataset):
    """The 511 test videos, sorted by name. `load_frames=False` gives sequences without frames (for
    packing results).

    With `vos_mode` sequences also start from a mask, `<trackingnet_mask_path>/<sequence>/0.png`.
    """

    def __init__(self, load_frames: bool = True, vos_mode: bool = False, root: str | None = None):
        super().__init__(root=root)
        self.base_path = self.folder("trackingnet_path", "TrackingNet")
        self.load_frames = load_frames
        self.vos_mode = vos_mode
        self.base_path_mask = (
            self.folder("trackingnet_mask_path", "TrackingNet with masks") if vos_mode else None
        )
        self.sequence_list = text_stems(os.path.join(self.base_path, "TEST", "anno"))
        if not self.sequence_list:
            raise MissingFile(
                f"TrackingNet: no TEST/anno/<sequence>.txt in '{self.base_path}' - "
                + self.remedy("trackingnet_path", "TEST/")
            )
        report_partial("TrackingNet", len(self.sequence_list), SEQUENCES, self.base_path)
        if load_frames:
            report_without_frames(
                "TrackingNet", ((name, self._image_folder(name)) for name in self.sequence_list)
            )

    def _image_folder(self, name: str) -> str:
        return os.path.join(self.base_path, "TEST", "frames", name)

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, "trackingnet", self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        boxes_xywh = read_boxes(os.path.join(self.base_path, "TEST", "anno", f"{name}.txt"))
        frames = (
            numbered_frames(self._image_folder(name), "TrackingNet") if self.load_frames else []
        )
        masks = (
            first_frame_masks(self.base_path_mask, name, frames) if self.base_path_mask else None
        )
        return Sequence(name, frames, "trackingnet", boxes_xywh, ground_truth_seg=masks)

    def __len__(self) -> int:
        return len(self.sequence_list)
