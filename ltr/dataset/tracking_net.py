"""TrackingNet's training videos."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.file_video_dataset import FileVideoDataset, by_class, take_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, log, read_lines, spec_file

NUM_SETS = 12


def list_sequences(root: str | Path, set_ids: Iterable[int]) -> list[tuple[int, str]]:
    """Return (set, video) of the videos below `root` that have boxes, sorted within each set."""
    sequences: list[tuple[int, str]] = []
    for set_id in set_ids:
        # Not a glob, which makes 30,000 Path objects.
        names = os.listdir(Path(root) / f"TRAIN_{set_id}" / "anno")
        sequences += sorted((set_id, name[:-4]) for name in names if name.endswith(".txt"))
    return sequences


@training_set()
class TrackingNet(FileVideoDataset):
    """Videos `TRAIN_<set>/frames/<video>` of TrackingNet (`root`, or `trackingnet_dir` of
    local.py).

    `set_ids` chooses among the sets 0 to 11 (None: those that are there); chosen sets that are not
    there are named in a warning. `sequence_list` holds pairs (set, video), sorted. Classes come
    from pytracking's `trackingnet_classmap.txt` in `data_specs_dir`, where there is one.
    `data_fraction` keeps a random part. Boxes are machine-made except about one per second.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        set_ids: Iterable[int] | None = None,
        data_fraction: float | None = None,
    ):
        root = find_root(
            "TrackingNet", "trackingnet_dir", "TRAIN_*/", "TRAIN_0, TRAIN_1, ...", root
        )
        super().__init__("trackingnet", root, image_loader)
        present = [i for i in range(NUM_SETS) if (root / f"TRAIN_{i}").is_dir()]
        if set_ids is None and len(present) < NUM_SETS:
            log.info(
                "TrackingNet: %s holds %d of %d sets: %s",
                root,
                len(present),
                NUM_SETS,
                str(present)[1:-1],
            )
        wanted = present if set_ids is None else [int(i) for i in set_ids]
        self.set_ids = [i for i in wanted if (root / f"TRAIN_{i}" / "anno").is_dir()]
        missing = [f"TRAIN_{i}/anno" for i in wanted if i not in self.set_ids]
        if missing and not self.set_ids:
            raise MissingFile(
                f"TrackingNet: there is no folder {root / missing[0]}; correct set_ids or get the "
                "set"
            )
        if missing:
            log.warning(
                "TrackingNet: %s lacks %s; going on with the sets %s",
                root,
                ", ".join(missing),
                self.set_ids,
            )
        self.sequence_list = take_fraction(list_sequences(root, self.set_ids), data_fraction)
        if not self.sequence_list:
            raise BadValue(
                f"TrackingNet: {root} holds no annotation TRAIN_*/anno/*.txt for sets "
                f"{self.set_ids}; "
                "correct trackingnet_dir or set_ids"
            )

    def has_class_info(self) -> bool:
        return True

    def get_class_list(self) -> list[str]:
        return list(self._sequences_by_class)

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self._sequences_by_class[class_name]

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        set_id, video = self.sequence_list[seq_id]
        return self.root / f"TRAIN_{set_id}" / "frames" / video / f"{frame_id}.jpg"

    def boxes_path(self, seq_id: int) -> Path:
        set_id, video = self.sequence_list[seq_id]
        return self.root / f"TRAIN_{set_id}" / "anno" / f"{video}.txt"

    def meta(self, seq_id: int) -> OrderedDict:
        return object_meta(object_class_name=self._classes.get(self.sequence_list[seq_id][1]))

    @functools.cached_property
    def _classes(self) -> dict[str, str]:
        file = spec_file("trackingnet_classmap.txt")
        lines = read_lines(file) if file else []
        return dict(line.rsplit("\t", 1) for line in lines if "\t" in line)

    @functools.cached_property
    def _sequences_by_class(self) -> dict[str, list[int]]:
        return by_class([self._classes.get(video) for _, video in self.sequence_list])
