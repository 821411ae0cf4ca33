"""Base of data sets whose sequences are ranges of numbered frames with one ground-truth file
each.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from ltr.admin.errors import MissingFile
from pytracking.evaluation.attributes import AttributeTable
from pytracking.evaluation.data import BaseDataset, LazySequence, Sequence, SequenceList
from pytracking.evaluation.frames import frame_range
from pytracking.evaluation.lists import report_partial
from pytracking.utils.load_text import read_boxes, read_text


class TableDataset(BaseDataset):
    """The sequences in `sequence_info_list`, which `_describe_sequences` of the subclass makes from
    the files on disk.

    A sequence has as many frames as its ground truth has rows, unless the table says otherwise.
    Boxes are read when a sequence is looked into; whether its images exist shows when they are
    read, so results can be analysed without them.
    """

    title: str
    path_attribute: str
    tag: str
    layout: str  # what the folder must hold, for the message when it does not
    expected: int
    # Of the mix-in `WithAttributes`, where sequences can be chosen by attribute.
    _attributes: Callable[[], AttributeTable]

    def __init__(self, attribute: str | None = None, root: str | None = None):
        super().__init__(root)
        self.base_path = self.folder(self.path_attribute, self.title)
        self.attribute = attribute

    @functools.cached_property
    def sequence_info_list(self) -> list[dict]:
        """Return one dict per sequence: `name, path, startFrame, endFrame, nz, ext, anno_path` and
        `initOmit` where frames are skipped at the start. May be replaced by a shorter list.
        """
        infos = self._describe_sequences()
        if not infos:
            raise MissingFile(
                f"{self.title}: no {self.layout} in '{self.base_path}' - "
                + self.remedy(self.path_attribute, "it")
            )
        report_partial(self.title, len(infos), self.expected, self.base_path)
        if self.attribute is not None:
            chosen = set(
                self._attributes().select(
                    [info["name"] for info in infos], self.attribute, self.attribute_key
                )
            )
            infos = [info for info in infos if info["name"] in chosen]
        return infos

    def _describe_sequences(self) -> list[dict]:
        raise NotImplementedError(f"{type(self).__name__} defines no _describe_sequences")

    @staticmethod
    def attribute_key(name: str) -> str:
        """The name of a sequence in the attribute table."""
        return name

    def row_count(self, anno_path: str) -> int:
        """Number of lines of a ground-truth file below `base_path`, empty ones at the end aside."""
        text = read_text(os.path.join(self.base_path, anno_path)).rstrip()
        return text.count("\n") + 1 if text else 0

    def get_sequence_list(self) -> SequenceList:
        return SequenceList(
            LazySequence(info["name"], self.tag, functools.partial(self._construct_sequence, info))
            for info in self.sequence_info_list
        )

    def _construct_sequence(self, info: dict) -> Sequence:
        skipped = info.get("initOmit", 0)
        frames = frame_range(
            os.path.join(self.base_path, info["path"]),
            info["startFrame"] + skipped,
            info["endFrame"],
            info["nz"],
            info["ext"],
        )
        boxes_xywh = self.read_boxes(os.path.join(self.base_path, info["anno_path"]))[skipped:]
        return Sequence(
            info["name"], frames, self.tag, boxes_xywh, object_class=info.get("object_class")
        )

    def read_boxes(self, path: str):
        """The ground truth in a file, (N, 4) xywh float64."""
        return read_boxes(path)

    def __len__(self) -> int:
        return len(self.sequence_info_list)


def text_stems(folder: str) -> list[str]:
    """Names without ending of the .txt files in `folder`, in ASCII order; empty when there is no
    such folder.
    """
    if not os.path.isdir(folder):
        return []
    return sorted(
        name[:-4]
        for name in os.listdir(folder)
        if name.endswith(".txt") and not name.startswith(".")
    )
