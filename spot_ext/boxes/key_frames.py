"""Choosing the k frames of a video that get a box (paper section on sparse annotation; the rule is
in `candidates`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.data.seeding import generator
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track

logger = logging.getLogger(__name__)

DISPLAY_NAMES = {
    "lasot": "LaSOT",
    "got10k": "GOT-10k",
    "toolkit": "GOT-10k",
    "trackingnet": "TrackingNet",
}
# Key of a label set's `extra`: videos that could not be read, which are among its failures, too.
UNREADABLE = "unreadable"
HUMAN_BOX_TOLERANCE = (
    0.01  # boxes drawn by people are whole pixels; the machine-made ones between them are not
)


class LabelledVideos(Protocol):
    """A data set whose frames can be chosen. Boxes are read only to walk back to a human label."""

    @property
    def sequence_list(self) -> Sequence[Any]: ...

    def get_name(self) -> str: ...
    def get_num_sequences(self) -> int: ...
    def get_visible(self, seq_id: int) -> np.ndarray: ...  # (N,) bool
    def get_boxes(self, seq_id: int, frame_ids: Sequence[int]) -> np.ndarray: ...  # (n, 4) xywh


@dataclass(frozen=True)
class WindowRule:
    """Settings of the search for a visible frame around a label's place; by default as published.

    `symmetric` also takes the frame at the far end of the window (the published window leaves it
    out, so it reaches one frame less to the right). `min_visible` is the number of visible frames a
    window must hold to be accepted: with the published 2, a video with a single visible frame gets
    no label at all; 1 accepts it.
    """

    symmetric: bool = False
    min_visible: int = 2


PUBLISHED_RULE = WindowRule()


@dataclass(frozen=True)
class Window:
    """Frames `[first, stop)` around a label's place, not yet clipped to the video, and how many of
    them are visible.
    """

    first: int
    stop: int
    num_visible: int


def base_frame(length: int, k: int, index: int) -> int:
    """The place of label `index` (0-based) of k in a video of `length` frames: the middle of its
    part.
    """
    return min(length - 1, max(0, index * length // k + length // (2 * k)))


def windows(
    visible: np.ndarray, k: int, index: int, rule: WindowRule = PUBLISHED_RULE
) -> Iterator[Window]:
    """Yield the windows around label `index`, narrowest first, ending with the first acceptable one
    if there is any.

    The half-width starts at `max(1, L // (8k))`, grows by the same amount, and ends when it exceeds
    the length L.
    """
    visible = np.asarray(visible, dtype=bool)
    length = len(visible)
    base, step = base_frame(length, k, index), max(1, length // (8 * k))
    visible_before = np.concatenate([[0], np.cumsum(visible)])
    for gap in range(step, length + 1, step):
        first, stop = base - gap, base + gap + int(rule.symmetric)
        count = int(visible_before[min(length, stop)] - visible_before[max(0, first)])
        yield Window(first, stop, count)
        if count >= rule.min_visible:
            return


def candidates(
    visible: np.ndarray, k: int, index: int, rule: WindowRule = PUBLISHED_RULE
) -> np.ndarray:
    """Frame ids (sorted) from which label `index` of k is drawn; empty when no window holds enough
    visible frames.

    `visible` is bool of shape (L,).
    """
    tried = list(windows(visible, k, index, rule))
    if not tried or tried[-1].num_visible < rule.min_visible:
        return np.empty(0, np.int64)
    first = max(0, tried[-1].first)
    return first + np.flatnonzero(visible[first : tried[-1].stop])


def draw_key_frames(
    visible: np.ndarray, k: int, rng: np.random.Generator, rule: WindowRule = PUBLISHED_RULE
) -> tuple[int, ...] | None:
    """Draw the key frames of one video: at most k sorted ids, or None when one of the k draws has
    no candidate.

    Two labels of a short video may fall on the same frame; it then counts once.
    """
    drawn = set()
    for index in range(k):
        frames = candidates(visible, k, index, rule)
        if not len(frames):
            return None
        drawn.add(int(frames[_draw(rng, len(frames))]))
    return tuple(sorted(drawn))


def walk_back_to_human_box(boxes_xywh: np.ndarray) -> int:
    """Return the last row that a person drew (four whole numbers, summed distance at most 0.01), or
    0.

    TrackingNet's boxes are machine-made except about one per second. `boxes_xywh` (n, 4) are frames
    0..n-1, the drawn frame last.
    """
    boxes = np.asarray(boxes_xywh, dtype=np.float64)
    human = np.flatnonzero(np.abs(boxes - np.round(boxes)).sum(1) <= HUMAN_BOX_TOLERANCE)
    return int(human[-1]) if len(human) else 0


def choose(
    dataset: LabelledVideos,
    k: int,
    seed: int,
    walk_back: bool = False,
    progress: Callable[[int, int], None] | None = None,
    *,
    split: str | None = None,
    rule: WindowRule = PUBLISHED_RULE,
) -> LabelSet:
    """Choose k key frames in every video of `dataset`.

    The draw of a video depends on `seed` and the video's name only: same seed, same labels, on any
    machine and whatever other videos there are. Videos in which a draw fails are listed in
    `failures`. `walk_back` moves each drawn frame to the nearest human label before it (for
    TrackingNet). `progress(done, total)` is called after every video. `split` names the split in
    the file name; by default it is found in the data set (see `split_name`).
    """
    if k < 1:
        raise BadValue(f"{k} labels per video: ask for at least 1")
    total = dataset.get_num_sequences()
    videos: dict[str, VideoLabels] = {}
    failures: list[str] = []
    unreadable: list[str] = []
    short = 0
    for seq_id in range(total):
        key = sequence_key(dataset, seq_id)
        if key in videos:
            raise BadValue(
                f"{dataset.get_name()}: two sequences are called '{key}'; labels could not tell "
                "them apart"
            )
        frames = readable_selectable(dataset, seq_id)
        if frames is None:
            unreadable.append(key)
            continue
        ids = draw_key_frames(frames, k, generator(seed, "key_frames", key), rule)
        if ids is None:
            failures.append(key)
        else:
            if walk_back:
                boxes = np.asarray(dataset.get_boxes(seq_id, range(ids[-1] + 1)))
                ids = tuple(
                    sorted({walk_back_to_human_box(boxes[: frame_id + 1]) for frame_id in ids})
                )
            videos[key] = VideoLabels(key, (labelled_track(ids),))
            short += len(ids) < k
        if progress is not None:
            progress(seq_id + 1, total)
    if failures or short:
        logger.warning(
            "%s: of %d videos %d have too few visible frames and are left out, and %d carry fewer "
            "than %d"
            " labels because two fell on the same frame",
            dataset.get_name(),
            total,
            len(failures),
            short,
            k,
        )
    return LabelSet(
        dataset=display_name(dataset),
        split=split or split_name(dataset),
        mode="key_frames",
        num=k,
        seed=seed,
        videos=videos,
        failures=tuple(failures + unreadable),
        extra={UNREADABLE: unreadable} if unreadable else {},
    )


def readable_selectable(dataset: LabelledVideos, seq_id: int) -> np.ndarray | None:
    """Return what `selectable` does; None for a video that cannot be read, which is logged."""
    try:
        return selectable(dataset, seq_id)
    except (BadInput, OSError) as error:
        logger.error("%s is left out: %s", sequence_key(dataset, seq_id), error)
        return None


def selectable(dataset: LabelledVideos, seq_id: int) -> np.ndarray:
    """(N,) bool: the frames that may get a box. Those that show the target; of people's own videos,
    which need not be annotated, what `VideoFolder.get_selectable` says.
    """
    own = getattr(dataset, "get_selectable", None)
    return np.asarray((own or dataset.get_visible)(seq_id), dtype=bool)


def sequence_key(dataset: LabelledVideos, seq_id: int) -> str:
    """A sequence's name in result files: `LaSOT_<name>`, `TrackingNet_<set:02d>_<name>`, elsewhere
    the bare name.
    """
    entry = dataset.sequence_list[seq_id]
    kind = display_name(dataset)
    if kind == "TrackingNet" and isinstance(entry, (tuple, list)):
        set_id, name = entry
        return f"TrackingNet_{int(set_id):02d}_{name}"
    if not isinstance(entry, str):  # data sets that list records rather than names
        return f"{kind}_{seq_id:06d}"
    return f"LaSOT_{entry}" if kind == "LaSOT" else entry


def display_name(dataset: LabelledVideos) -> str:
    """The data set's name as file names have it: `LaSOT`, `GOT-10k`, `TrackingNet`, or its own
    `get_name()`.
    """
    return DISPLAY_NAMES.get(dataset.get_name().lower(), dataset.get_name())


def split_name(dataset: LabelledVideos) -> str:
    """TrackingNet: its sets, `0-3` for an unbroken range, else `0,2`; otherwise the attribute
    `split`, or `train`.
    """
    if display_name(dataset) == "TrackingNet":
        sets = sorted({int(set_id) for set_id, _ in dataset.sequence_list})
        if len(sets) > 1 and sets == list(range(sets[0], sets[-1] + 1)):
            return f"{sets[0]}-{sets[-1]}"
        return ",".join(map(str, sets)) or "none"
    return str(getattr(dataset, "split", None) or "train")


def split_spellings(dataset: LabelledVideos) -> list[str]:
    """Return the split's name as we write it, and as SPOT's release does: TrackingNet `0,1,2,3`."""
    if display_name(dataset) != "TrackingNet":
        return [split_name(dataset)]
    sets = sorted({int(set_id) for set_id, _ in dataset.sequence_list})
    return list(dict.fromkeys([split_name(dataset), ",".join(map(str, sets))]))


def _draw(rng: np.random.Generator, count: int) -> int:
    """A uniform index below `count`, from the raw 64-bit stream.

    NumPy promises that stream for all its versions, but not what `Generator.integers` makes of it.
    """
    return int(rng.bit_generator.random_raw()) * count >> 64
