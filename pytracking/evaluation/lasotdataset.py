"""LaSOT's test sequences: `<class>/<class>-<k>/img/%08d.jpg` with `groundtruth.txt` and the visibility files."""

from __future__ import annotations

import logging
import os

from ltr.admin.errors import BadInput, BadValue
from pytracking.evaluation.attributes import AttributeTable
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.environment import local_file
from pytracking.evaluation.frames import natural_key
from pytracking.utils.load_text import read_boxes, read_flags, read_text

_log = logging.getLogger(__name__)


class LaSOTDataset(BaseDataset):
    """The sequences to test on, optionally those with a challenge `attribute` (short or long name).

    Which ones: the data set's own `testing_set.txt` (official: 280 = 70 classes x 4); without it all that
    `training_set.txt` does not name; without both every sequence on disk. A log line says which rule was used.
    `_get_sequence_list` is the place to override.
    """

    def __init__(self, attribute: str | None = None):
        super().__init__()
        self.base_path = self.folder("lasot_path", "LaSOT")
        self.sequence_list = self._get_sequence_list()
        if attribute is not None:
            self.sequence_list = self._attributes().select(self.sequence_list, attribute)
        self.clean_list = [_class_of(name) for name in self.sequence_list]

    def _get_sequence_list(self) -> list[str]:
        on_disk = self._names_on_disk()
        testing, training = (os.path.join(self.base_path, f"{kind}_set.txt") for kind in ("testing", "training"))
        if os.path.isfile(testing):
            listed = read_text(testing).split()
            present = set(on_disk)
            missing = [name for name in listed if name not in present]
            if missing:
                _log.warning("LaSOT: %d of the %d sequences in %s are not on disk and are left out: %s%s", len(missing),
                             len(listed), testing, ", ".join(missing[:5]), ", …" if len(missing) > 5 else "")
            names = [name for name in listed if name in present]
            rule = f"the sequences of {testing}"
        elif os.path.isfile(training):
            trained = set(read_text(training).split())
            names = [name for name in on_disk if name not in trained]
            rule = f"all that {training} does not name"
        else:
            names, rule = on_disk, "every one on disk (no testing_set.txt or training_set.txt there)"
        if not names:
            raise BadInput(f"LaSOT: no sequence to test on in '{self.base_path}' (looked for {rule}) - point "
                           f"lasot_path in {local_file()} at the folder of class folders")
        _log.info("LaSOT: testing on %d sequences, %s", len(names), rule)
        return names

    def _names_on_disk(self) -> list[str]:
        """Names `<class>-<k>` of the folders that are there, natural order."""
        names = []
        for entry in os.scandir(self.base_path):
            if entry.is_dir():
                names += [name for name in os.listdir(entry.path) if _class_of(name) == entry.name]
        return sorted(names, key=natural_key)

    @staticmethod
    def _attributes() -> AttributeTable:
        return AttributeTable("LaSOT", "LaSOT_attributes.json")

    def get_attribute_names(self, mode: str = "short") -> list[str]:
        """Names of the 14 challenge attributes."""
        return self._attributes().names(mode)

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, "lasot", self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        folder = os.path.join(self.base_path, _class_of(name), name)
        boxes_xywh = read_boxes(os.path.join(folder, "groundtruth.txt"))
        occluded = read_flags(os.path.join(folder, "full_occlusion.txt"))
        outside = read_flags(os.path.join(folder, "out_of_view.txt"))
        if len(occluded) != len(outside):
            raise BadValue(f"LaSOT: full_occlusion.txt and out_of_view.txt in '{folder}' hold {len(occluded)} and "
                           f"{len(outside)} entries, both should hold one per frame")
        frames = [os.path.join(folder, "img", f"{number:08d}.jpg") for number in range(1, len(boxes_xywh) + 1)]
        return Sequence(name, frames, "lasot", boxes_xywh, object_class=_class_of(name),
                        target_visible=~occluded & ~outside)

    def __len__(self) -> int:
        return len(self.sequence_list)


def _class_of(name: str) -> str:
    return name.rpartition("-")[0]
