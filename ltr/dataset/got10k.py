"""GOT-10k's training videos."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue, suggestion
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset import got10k_layout as layout
from ltr.dataset.annotations import read_flags, read_lines
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.file_video_dataset import FileVideoDataset, by_class, take_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, read_names

_META = {
    "object_class": "object_class_name",
    "motion_class": "motion_class",
    "major_class": "major_class",
    "root_class": "root_class",
    "motion_adverb": "motion_adverb",
}


@training_set()
class Got10k(FileVideoDataset):
    """Sequences listed in `list.txt` of GOT-10k's train folder (`root`, or `got10k_dir` of
    local.py).

    `split` is 'train', 'val', 'vottrain', 'votval' or 'all'; `seq_ids` are 0-based positions in
    list.txt; with neither, all sequences. pytracking's id lists of the splits are looked up in
    `data_specs_dir` and in ltr/data_specs. Without them every 7th sequence (of a shorter list, the
    last) belongs to the val splits and the others to the train splits, which a log line says.
    `data_fraction` keeps a random part.

    A target is visible where the box has an area, `absence.label` is 0 and `cover.label` is above
    0; `visible_ratio` is cover / 8.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        split: str | None = None,
        seq_ids: Sequence[int] | None = None,
        data_fraction: float | None = None,
    ):
        if split is not None and seq_ids is not None:
            raise BadValue("Got10k: split and seq_ids exclude each other; give one of them")
        if split is not None and split not in layout.SPLITS:
            raise BadValue(
                f"Got10k: split '{split}' is not known{suggestion(split, layout.SPLITS)}; "
                f"choose one of {', '.join(layout.SPLITS)}"
            )
        super().__init__(
            "got10k",
            find_root("GOT-10k", "got10k_dir", layout.LIST, layout.LIST, root),
            image_loader,
        )
        self.split = split
        names = read_names(self.root / layout.LIST)
        ids = layout.split_ids(split, len(names)) if seq_ids is None else [int(i) for i in seq_ids]
        for i in ids:
            if not -len(names) <= i < len(names):
                raise BadValue(
                    f"Got10k: there is no sequence {i} in {self.root / 'list.txt'}, which has "
                    f"{len(names)} "
                    "lines; correct seq_ids"
                )
        self.sequence_list = take_fraction([names[i] for i in ids], data_fraction)
        if not self.sequence_list:
            raise BadValue(
                f"Got10k: {self.root / 'list.txt'} gives no sequence for split '{split}'; use "
                "another split"
            )

    def has_class_info(self) -> bool:
        return True

    def has_occlusion_info(self) -> bool:
        return True

    def get_class_list(self) -> list[str]:
        return list(self._sequences_by_class)

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self._sequences_by_class[class_name]

    @functools.cached_property
    def _sequences_by_class(self) -> dict[str, list[int]]:
        # Reads a small file for each sequence: seconds for all of GOT-10k, so only where classes
        # are asked for.
        return by_class([self.meta(i)["object_class_name"] for i in range(len(self.sequence_list))])

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        return self._folder(seq_id) / layout.frame_name(frame_id)

    def boxes_path(self, seq_id: int) -> Path:
        return self._folder(seq_id) / layout.BOXES

    def flag_paths(self, seq_id: int) -> Sequence[Path]:
        return [self._folder(seq_id) / name for name in (layout.ABSENCE, layout.COVER)]

    def visibility(
        self, seq_id: int, boxes: np.ndarray, valid: np.ndarray
    ) -> dict[str, np.ndarray]:
        absent_path, cover_path = self.flag_paths(seq_id)
        # Trees of one's own in this layout often have no flags: nothing is absent or covered then.
        absent, cover = (
            np.zeros(len(valid), np.int32),
            np.full(len(valid), layout.FULLY_SEEN, np.int32),
        )
        if absent_path.is_file():
            absent = read_flags(absent_path)
        if cover_path.is_file():
            cover = read_flags(cover_path)
        for path, values in ((absent_path, absent), (cover_path, cover)):
            if len(values) != len(valid):
                raise BadValue(
                    f"{path} has {len(values)} entries for {len(valid)} boxes; "
                    "copy the sequence again"
                )
        visible = (absent == 0) & (cover > 0) & valid
        return {
            "visible": visible.astype(np.uint8),
            "visible_ratio": cover.astype(np.float32) / layout.FULLY_SEEN,
        }

    def meta(self, seq_id: int) -> OrderedDict:
        """From `meta_info.ini`; all None where that is missing or unreadable."""
        try:
            lines = read_lines(self._folder(seq_id) / layout.META)
        except BadInput:
            return object_meta()
        values = dict(line.split(": ", 1) for line in lines if ": " in line)
        return object_meta(
            **{ours: values[theirs].strip() for theirs, ours in _META.items() if theirs in values}
        )

    def _folder(self, seq_id: int) -> Path:
        return self.root / self.sequence_list[seq_id]
