"""LaSOT: `<class>/<class>-<k>/img/%08d.jpg` with `groundtruth.txt` and the visibility files."""

from __future__ import annotations

import logging
import os
from collections import Counter

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.dataset import lasot_layout as layout
from ltr.dataset.registry import evaluation_set
from ltr.frames.names import natural_key
from pytracking.evaluation.attributes import OfficialAttributes, WithAttributes
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList, lazy_list
from pytracking.evaluation.frames import first_frame_masks, frame_range
from pytracking.evaluation.lists import report_partial, shortened, spec_list
from pytracking.utils.load_text import read_boxes, read_flags, read_text

_log = logging.getLogger(__name__)

# A class has at most so many sequences in the separate download of the test set.
TEST_PER_CLASS = 4


@evaluation_set("lasot")
@evaluation_set("lasotvos", vos_mode=True)
class LaSOTDataset(WithAttributes, BaseDataset):
    """The sequences to test on, optionally those with a challenge `attribute` (short or long name).

    Which ones: the data set's own `testing_set.txt` (official: 280 = 70 classes x 4); without it
    all that `training_set.txt`, or pytracking's `lasot_train_split.txt` in `dataspec_path`, does
    not name; without lists every sequence when no class has more than 4 (as in the separate
    download of the test set), else those whose number is a multiple of 5, which is not the official
    split. A log line says which rule was used. `_get_sequence_list` is the place to override.

    With `vos_mode` sequences also start from a mask, `<lasot_mask_path>/<sequence>/00000001.png`.
    """

    title, path_attribute, tag, expected = "LaSOT", "lasot_path", "lasot", 280
    attribute_file = "LaSOT_attributes.json"
    official_attributes = OfficialAttributes(
        "att",
        (
            ("IV", "Illumination Variation"),
            ("POC", "Partial Occlusion"),
            ("DEF", "Deformation"),
            ("MB", "Motion Blur"),
            ("CM", "Camera Motion"),
            ("ROT", "Rotation"),
            ("BC", "Background Clutter"),
            ("VC", "Viewpoint Change"),
            ("SV", "Scale Variation"),
            ("FOC", "Full Occlusion"),
            ("FM", "Fast Motion"),
            ("OV", "Out-of-View"),
            ("LR", "Low Resolution"),
            ("ARC", "Aspect Ratio Change"),
        ),
    )

    def __init__(
        self, vos_mode: bool = False, attribute: str | None = None, root: str | None = None
    ):
        super().__init__(root=root)
        self.base_path = self.folder(self.path_attribute, self.title)
        self.vos_mode = vos_mode
        self.base_path_mask = (
            self.folder("lasot_mask_path", f"{self.title} with masks") if vos_mode else None
        )
        self.sequence_list = self._get_sequence_list()
        if attribute is not None:
            self.sequence_list = self._attributes().select(self.sequence_list, attribute)
        self.clean_list = [layout.class_of(name) for name in self.sequence_list]

    def _get_sequence_list(self) -> list[str]:
        on_disk = self._names_on_disk()
        names, rule = self._chosen(on_disk)
        present = set(on_disk)
        absent = [name for name in names if name not in present]
        if absent:
            _log.warning(
                "%s: %d of the %d sequences (%s) are not on disk and are left out: %s",
                self.title,
                len(absent),
                len(names),
                rule,
                shortened(absent),
            )
        names = [name for name in names if name in present]
        if not names:
            raise BadInput(
                f"{self.title}: no such sequence in '{self.base_path}' (looked for {rule}) - "
                + self.remedy(self.path_attribute, "the class folders")
            )
        if not absent:
            report_partial(self.title, len(names), self.expected, self.base_path)
        _log.info("%s: %d sequences, %s", self.title, len(names), rule)
        return names

    def _chosen(self, on_disk: list[str]) -> tuple[list[str], str]:
        """Names of the split, which need not be on disk, and the rule in words."""
        testing, training = self._own_list("testing"), self._own_list("training")
        if os.path.isfile(testing):
            return read_text(testing).split(), f"those of {testing}"
        trained_list: str | os.PathLike | None = (
            training
            if os.path.isfile(training)
            else spec_list(self.env_settings, layout.TRAINING_SPEC)
        )
        if trained_list:
            trained = set(read_text(trained_list).split())
            return [
                name for name in on_disk if name not in trained
            ], f"all that {trained_list} does not name"
        if max(Counter(map(layout.class_of, on_disk)).values(), default=0) <= TEST_PER_CLASS:
            return (
                on_disk,
                f"every one on disk (no testing_set.txt or training_set.txt in {self.base_path})",
            )
        self._warn_of_own_rule()
        return [
            name for name in on_disk if not layout.number_of(name) % layout.HELD_OUT_EVERY
        ], "numbers that are multiples of 5"

    def _own_list(self, kind: str) -> str:
        return os.path.join(self.base_path, f"{kind}_set.txt")

    def _warn_of_own_rule(self) -> None:
        _log.warning(
            "%s: neither testing_set.txt nor training_set.txt in '%s', so numbers that are "
            "multiples of %d are for "
            "testing: not the official split, copy the data set's lists there before you compare "
            "numbers",
            self.title,
            self.base_path,
            layout.HELD_OUT_EVERY,
        )

    def _names_on_disk(self) -> list[str]:
        """Names `<class>-<k>` of the folders that are there, natural order."""
        names = []
        for entry in os.scandir(self.base_path):
            if entry.is_dir():
                names += [
                    name for name in os.listdir(entry.path) if layout.class_of(name) == entry.name
                ]
        return sorted(names, key=natural_key)

    def get_sequence_list(self) -> SequenceList:
        return lazy_list(self.sequence_list, self.tag, self._construct_sequence)

    def _construct_sequence(self, name: str) -> Sequence:
        folder = os.path.join(self.base_path, layout.class_of(name), name)
        boxes_xywh = read_boxes(os.path.join(folder, layout.BOXES))
        visible = read_visibility(
            self.title,
            os.path.join(folder, layout.OCCLUDED),
            os.path.join(folder, layout.OUT_OF_VIEW),
        )
        frames = frame_range(os.path.join(folder, layout.IMAGES), 1, len(boxes_xywh), 8)
        masks = (
            first_frame_masks(self.base_path_mask, name, frames) if self.base_path_mask else None
        )
        return Sequence(
            name,
            frames,
            self.tag,
            boxes_xywh,
            ground_truth_seg=masks,
            object_class=layout.class_of(name),
            target_visible=visible,
        )

    def __len__(self) -> int:
        return len(self.sequence_list)


@evaluation_set("lasot_train")
class LaSOTTrainSequencesDataset(LaSOTDataset):
    """The 1120 training sequences: `training_set.txt`, pytracking's `lasot_train_split.txt`, or all
    that are not for testing.
    """

    expected = 1120

    def _chosen(self, on_disk: list[str]) -> tuple[list[str], str]:
        own, testing = self._own_list("training"), self._own_list("testing")
        listed = own if os.path.isfile(own) else spec_list(self.env_settings, layout.TRAINING_SPEC)
        if listed and (listed == own or not os.path.isfile(testing)):
            return read_text(listed).split(), f"those of {listed}"
        if os.path.isfile(testing):
            tested = set(read_text(testing).split())
            return [
                name for name in on_disk if name not in tested
            ], f"all that {testing} does not name"
        self._warn_of_own_rule()
        return [
            name for name in on_disk if layout.number_of(name) % layout.HELD_OUT_EVERY
        ], "numbers that are no multiples of 5"


def read_visibility(dataset: str, occlusion_file: str, outside_file: str) -> np.ndarray:
    """(N,) bool: neither fully occluded nor out of view, from the two files of 0 and 1."""
    occluded, outside = read_flags(occlusion_file), read_flags(outside_file)
    if len(occluded) != len(outside):
        raise BadValue(
            f"{dataset}: {occlusion_file} and {outside_file} hold {len(occluded)} and "
            f"{len(outside)} entries, "
            "both should hold one per frame"
        )
    return ~occluded & ~outside
