"""The checks of one sequence: its frames on disk against its boxes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ltr.admin.errors import BadInput
from ltr.geometry.checks import is_box
from spot_ext.check.images import image_size

MISSING, UNREADABLE, RESIZED = "missing frame", "unreadable image", "size change"
OUTSIDE, NO_BOX, COUNT = "box outside the frame", "NaN or empty box", "label count"
ANNOTATION, DUPLICATE, BEYOND = "unusable annotation", "duplicate name", "box beyond the border"
KINDS = {
    MISSING: "a file that the annotation counts on, or a gap in the numbers of the files",
    UNREADABLE: "truncated, damaged or no image",
    RESIZED: "a frame of another size than the first",
    OUTSIDE: "no part of it lies in the image",
    NO_BOX: "in a frame that is not marked as showing no target",
    COUNT: "annotations and frames differ in number",
    ANNOTATION: "an annotation file that cannot be read",
    DUPLICATE: "two sequences of one name",
    BEYOND: "it reaches over the image's border by more than a pixel; common, and no problem",
}
NOTES = (BEYOND,)  # told, but no reason for another exit status
_EXAMPLES = 5  # of a kind in a sequence that are kept; the others are counted
_SLACK = 1.0  # pixels
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class Example(NamedTuple):
    """A place where it is wrong."""

    frame: int | None  # 0-based
    path: str
    detail: str


@dataclass
class Finding:
    """All cases of one kind in one sequence."""

    kind: str
    sequence: str
    count: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(
        self, detail: str, path: str | os.PathLike = "", frame: int | None = None, count: int = 1
    ) -> None:
        """Count a case, and keep it as an example while there are few."""
        self.count += count
        if len(self.examples) < _EXAMPLES:
            self.examples.append(Example(frame, str(path), detail))


@dataclass(frozen=True)
class SequenceFiles:
    """The description of a sequence by its data set.

    `tracks` are the boxes of each target, (N, 4) xywh by its name ('' for the only one); (1, 4)
    where only the first frame has one. `shown` (N,) of a target is False where it is marked as not
    to be seen, `box_optional` where frames without a box are usual in this data set. `sizes` are
    (width, height) where images cannot be found as files.
    """

    name: str
    frames: tuple[str, ...]
    tracks: Mapping[str, np.ndarray]
    shown: Mapping[str, np.ndarray] = field(default_factory=dict)
    box_optional: bool = False
    own_folder: bool = False  # nothing but this sequence's frames lies there
    read_size: Callable[[int], tuple[int, int]] | None = None


@dataclass
class SequenceResult:
    """The findings in a sequence."""

    name: str
    num_frames: int
    findings: list[Finding]


def check_sequence(sequence: SequenceFiles, decode: bool = False) -> SequenceResult:
    """Look at every frame and box. `decode` decodes every image instead of reading its header and
    end.
    """
    found: dict[str, Finding] = {}

    def report(kind: str) -> Finding:
        return found.setdefault(kind, Finding(kind, sequence.name))

    if not sequence.frames:
        report(MISSING).add("it has no frames at all")
    sizes = _check_frames(sequence, decode, report)
    for target, boxes in sequence.tracks.items():
        _check_boxes(sequence, target, np.asarray(boxes, np.float64).reshape(-1, 4), sizes, report)
    return SequenceResult(sequence.name, len(sequence.frames), list(found.values()))


def _check_frames(
    sequence: SequenceFiles, decode: bool, report: Callable[[str], Finding]
) -> np.ndarray:
    """Sizes (N, 2) of the frames as width and height, NaN where unknown."""
    sizes = np.full((len(sequence.frames), 2), np.nan)
    listing = _Listing()
    count = len(sequence.frames)
    looked_at: list[int] = list(range(count))
    if sequence.read_size is not None and not decode and count:
        # A video has one size.
        looked_at = sorted({0, count // 2, count - 1})
    for i in looked_at:
        path = sequence.frames[i]
        if sequence.read_size is None and not listing.holds(path):
            report(MISSING).add("no such file", path, i)
            continue
        try:
            sizes[i] = (
                image_size(path, decode) if sequence.read_size is None else sequence.read_size(i)
            )
        except (BadInput, OSError) as error:
            report(UNREADABLE).add(str(error), path, i)
    known = np.flatnonzero(~np.isnan(sizes[:, 0]))
    _check_sizes(sequence, sizes, known, report)
    if sequence.read_size is not None and len(known):
        sizes[np.isnan(sizes[:, 0])] = sizes[known[0]]
    if sequence.read_size is None:
        _check_numbers(sequence.frames, report)
    if sequence.own_folder and sequence.frames:
        folder = os.path.dirname(sequence.frames[0])
        extra = listing.images(folder) - {os.path.basename(path) for path in sequence.frames}
        if extra:
            report(COUNT).add(
                f"annotation for {len(sequence.frames)} frames, {len(extra)} images more in the "
                "folder, "
                f"e.g. {min(extra)}",
                folder,
            )
    return sizes


def _check_sizes(
    sequence: SequenceFiles, sizes: np.ndarray, known: np.ndarray, report: Callable[[str], Finding]
) -> None:
    """Report frames of another size than the first; `known` are the places of `sizes` (N, 2)."""
    for i in known[1:]:
        if (sizes[i] != sizes[known[0]]).any():
            report(RESIZED).add(
                f"{_text(sizes[i])}, the first frame has {_text(sizes[known[0]])}",
                sequence.frames[i],
                int(i),
            )


def _check_numbers(frames: tuple[str, ...], report: Callable[[str], Finding]) -> None:
    """Gaps in the numbers of files that were listed from disk: larger steps than the usual one."""
    stems = [os.path.splitext(os.path.basename(path))[0] for path in frames]
    if len(stems) < 3 or not all(stem.isdecimal() for stem in stems):
        return
    numbers = np.array([int(stem) for stem in stems])
    steps = np.diff(numbers)
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    if usual < 1:
        return
    for i in np.flatnonzero(steps > usual):
        missing = int(np.ceil(steps[i] / usual)) - 1
        report(MISSING).add(
            f"no file numbered {numbers[i] + usual}"
            + (f" to {numbers[i + 1] - usual}" if missing > 1 else ""),
            frames[i],
            int(i) + 1,
            missing,
        )


def _check_boxes(
    sequence: SequenceFiles,
    target: str,
    boxes: np.ndarray,
    sizes: np.ndarray,
    report: Callable[[str], Finding],
) -> None:
    of = f"of target {target} " if target else ""
    if len(boxes) not in (1, len(sizes)):
        report(COUNT).add(f"{len(boxes)} boxes {of}for {len(sizes)} frames")
    count = min(len(boxes), len(sizes))
    boxes, sizes = boxes[:count], sizes[:count]
    marks = sequence.shown.get(target, ())
    shown = np.ones(count, bool) if len(marks) < count else marks[:count]
    usable = is_box(boxes)  # False for NaN
    bad = ~usable & shown & (not sequence.box_optional)
    for i in np.flatnonzero(bad):
        report(NO_BOX).add(f"box {of}is {_box(boxes[i])}", sequence.frames[i], int(i))
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    with np.errstate(invalid="ignore"):
        outside = (
            ((high <= 0) | (low >= sizes)).any(1) & usable & shown
        )  # False where a size is unknown
        beyond = ((low < -_SLACK) | (high > sizes + _SLACK)).any(1) & usable & shown & ~outside
    for kind, rows in ((OUTSIDE, outside), (BEYOND, beyond)):
        for i in np.flatnonzero(rows):
            report(kind).add(
                f"box {of}is {_box(boxes[i])}, the image {_text(sizes[i])}",
                sequence.frames[i],
                int(i),
            )


class _Listing:
    """Names in folders, each listed once: a fraction of asking for every file."""

    def __init__(self):
        self._names: dict[str, set[str]] = {}

    def names(self, folder: str) -> set[str]:
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder or "."))
            except OSError:
                self._names[folder] = set()
        return self._names[folder]

    def holds(self, path: str) -> bool:
        return os.path.basename(path) in self.names(os.path.dirname(path))

    def images(self, folder: str) -> set[str]:
        return {
            name
            for name in self.names(folder)
            if name.lower().endswith(_ENDINGS) and not name.startswith(".")
        }


def _text(size: np.ndarray) -> str:
    return f"{size[0]:.0f} x {size[1]:.0f}"


def _box(box: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
