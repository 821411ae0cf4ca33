"""LaSOT's training videos."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset import lasot_layout as layout
from ltr.dataset.annotations import read_flags
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.file_video_dataset import FileVideoDataset, by_class, take_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, log, read_names, spec_file


@training_set(split="train")
class Lasot(FileVideoDataset):
    """Sequences `<class>/<class>-<k>` of LaSOT (`root`, or `lasot_dir` of local.py).

    Give either `vid_ids`, numbers k that are taken from every class, or `split='train'`. The split
    comes from, in this order: `training_set.txt` of the data set, all sequences but those in its
    `testing_set.txt`, pytracking's `lasot_train_split.txt` in `data_specs_dir`; failing these, the
    sequences whose number is no multiple of 5, which is not the official split. A log line says
    which. `data_fraction` keeps a random part.

    A target is visible where the box has an area and neither `full_occlusion.txt` nor
    `out_of_view.txt` says 1.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        vid_ids: Sequence[int] | None = None,
        split: str | None = None,
        data_fraction: float | None = None,
    ):
        if (vid_ids is None) == (split is None):
            raise BadValue("Lasot: give either vid_ids or split")
        if split not in (None, "train"):
            raise BadValue(f"Lasot: split '{split}' is not known; choose 'train'")
        root = find_root("LaSOT", "lasot_dir", "*/", "the class folders, such as airplane/", root)
        super().__init__("lasot", root, image_loader)
        self.split = split
        self.class_list = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        if split is None:
            sequences = [
                f"{class_name}-{number}"
                for class_name in self.class_list
                for number in vid_ids or ()
            ]
        else:
            sequences = self._training_sequences()
        self.sequence_list = take_fraction(sequences, data_fraction)
        self._by_class = by_class([layout.class_of(name) for name in self.sequence_list])

    def has_class_info(self) -> bool:
        return True

    def has_occlusion_info(self) -> bool:
        return True

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self._by_class.get(class_name, [])

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        return self._folder(seq_id) / layout.IMAGES / layout.frame_name(frame_id)

    def boxes_path(self, seq_id: int) -> Path:
        return self._folder(seq_id) / layout.BOXES

    def flag_paths(self, seq_id: int) -> Sequence[Path]:
        return [self._folder(seq_id) / name for name in (layout.OCCLUDED, layout.OUT_OF_VIEW)]

    def visibility(
        self, seq_id: int, boxes: np.ndarray, valid: np.ndarray
    ) -> dict[str, np.ndarray]:
        visible = valid.copy()
        for path in self.flag_paths(seq_id):
            hidden = read_flags(path)
            if len(hidden) != len(valid):
                raise BadValue(
                    f"{path} has {len(hidden)} entries for {len(valid)} boxes; "
                    "copy the sequence again"
                )
            visible &= hidden == 0
        return {"visible": visible.astype(np.uint8)}

    def meta(self, seq_id: int) -> OrderedDict:
        return object_meta(object_class_name=layout.class_of(self.sequence_list[seq_id]))

    def _folder(self, seq_id: int) -> Path:
        name = self.sequence_list[seq_id]
        return layout.sequence_folder(self.root, name)

    def _training_sequences(self) -> list[str]:
        own, test = self.root / layout.TRAINING_LIST, self.root / layout.TESTING_LIST
        spec = spec_file(layout.TRAINING_SPEC)
        file = own if own.is_file() else None if test.is_file() else spec
        if file is not None:
            names = read_names(file)
            absent = sum(not (layout.sequence_folder(self.root, name)).is_dir() for name in names)
            log.info(
                "LaSOT train: the %d sequences listed in %s%s",
                len(names),
                file,
                f", {absent} of which are not in {self.root}" if absent else "",
            )
            return names
        found = sorted(
            (path.name for path in self.root.glob("*/*-*") if path.is_dir()), key=layout.sort_key
        )
        if test.is_file():
            excluded = set(read_names(test))
            names = [name for name in found if name not in excluded]
            log.info("LaSOT train: all %d sequences that %s does not list", len(names), test)
        else:
            names = [name for name in found if not layout.is_held_out(name)]
            log.warning(
                "LaSOT train: neither training_set.txt nor testing_set.txt in %s nor "
                "lasot_train_split.txt in "
                "data_specs_dir, so the %d sequences whose number is no multiple of %d: not the "
                "official split",
                self.root,
                len(names),
                layout.HELD_OUT_EVERY,
            )
        if not names:
            raise BadValue(
                f"LaSOT: {self.root} holds no folder <class>/<class>-<number>; give the "
                "folder of the class folders, in lasot_dir of local.py or as root"
            )
        return names
