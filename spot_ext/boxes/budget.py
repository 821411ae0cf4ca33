"""Spreads a fixed number of boxes over a data set: over its videos, and over the frames of each.

Within a video the frames are those of the published rule (`key_frames`). That rule lets two labels
fall on one frame; here the number is exact, so that the missing ones are put where the video is
barest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, suggestion
from ltr.admin.invocation import spot_command
from ltr.data.seeding import generator
from spot_ext.boxes.diversity import content_features, farthest_first
from spot_ext.boxes.key_frames import (
    HUMAN_BOX_TOLERANCE,
    UNREADABLE,
    LabelledVideos,
    display_name,
    draw_key_frames,
    readable_selectable,
    sequence_key,
    split_name,
    walk_back_to_human_box,
)
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track

USUAL_BOXES = {
    "few-dense": 10,
    "many-sparse": 2,
    "diverse": 3,
}  # of a video, when the number of videos is not given
STRATEGIES = ("uniform", "length-proportional", *USUAL_BOXES)


@dataclass(frozen=True)
class Budget:
    """A number of boxes and a strategy to spread them.

    `python -m spot_ext sample --help` describes the strategies.
    """

    boxes: int  # in all, exactly
    strategy: str = "uniform"
    videos: int | None = (
        None  # None: all, or what the strategy's usual number of boxes a video makes
    )

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise BadValue(
                f"strategy '{self.strategy}' is not known{suggestion(self.strategy, STRATEGIES)}; "
                "choose one of: "
                f"{', '.join(STRATEGIES)}"
            )
        if self.boxes < 1 or (self.videos is not None and self.videos < 1):
            raise BadValue(
                f"a budget of {self.boxes} boxes in {self.videos} videos: give at least 1 of each"
            )


@dataclass(frozen=True)
class _Video:
    """A video that can be labelled."""

    key: str
    seq_id: int
    frames: np.ndarray  # ids that may carry a label, sorted
    visible: np.ndarray  # (L,) bool


def choose(
    dataset: LabelledVideos,
    budget: Budget,
    seed: int,
    walk_back: bool = False,
    on_video: Callable[[], None] | None = None,
) -> LabelSet:
    """Choose exactly `budget.boxes` frames to label, at least one in each chosen video.

    Videos are drawn by `seed` and name: with the same seed, more videos include the fewer. Only
    flags of visibility are read, and boxes with `walk_back` (see `key_frames.choose`); 'diverse'
    reads the pixels of a few frames and calls `on_video` after each video. Raises BadInput for a
    budget that cannot be met, saying what can.
    """
    videos, failures, unreadable = _usable(dataset, walk_back)
    if not videos:
        raise BadInput(
            f"{dataset.get_name()}: none of its {dataset.get_num_sequences()} videos has two "
            "frames that show the "
            f"target; check its annotation with `{spot_command('check')}`"
        )
    lengths = [len(video.visible) for video in videos]
    count = _number_of_videos(budget, len(videos))
    chosen = _chosen_videos(dataset, videos, count, budget.strategy, seed, on_video)
    room = [len(videos[index].frames) for index in chosen]
    if budget.boxes > sum(room):
        raise BadInput(
            f"{budget.boxes} boxes do not fit: the {count} videos have {sum(room)} frames that "
            "show the target; "
            f"give --budget {sum(room)} or less" + _more_videos(videos, budget, count)
        )
    weights = [
        lengths[index] if budget.strategy == "length-proportional" else 1.0 for index in chosen
    ]
    found = {}
    for index, boxes in zip(chosen, spread(weights, room, budget.boxes), strict=True):
        video = videos[index]
        found[video.key] = VideoLabels(
            video.key, (labelled_track(_frames_of(dataset, video, boxes, seed, walk_back)),)
        )
    name, split = display_name(dataset), split_name(dataset)
    most = max(len(labels.tracks[0]) for labels in found.values())
    extra: dict[str, Any] = {
        "name": f"{name}_{split}_{budget.strategy}_{len(found):04d}x_{budget.boxes:05d}",
        "budget": budget.boxes,
        "strategy": budget.strategy,
    }
    if unreadable:
        extra[UNREADABLE] = unreadable
    return LabelSet(
        name,
        split,
        "key_frames",
        most,
        seed,
        dict(sorted(found.items())),
        tuple(failures + unreadable),
        extra,
    )


def spread(weights: Sequence[float], room: Sequence[int], boxes: int) -> list[int]:
    """Return the number of boxes of each video: in proportion to its weight, from 1 to its `room`.

    Each box goes to the video whose weight per box is greatest (Jefferson's divisor method), the
    first of equals; a larger total never takes a box away. `boxes` must be between the number of
    videos and the sum of `room`.
    """
    if not len(weights) <= boxes <= sum(room) or min(room, default=1) < 1:
        raise BadValue(
            f"{boxes} boxes cannot be spread over {len(weights)} videos with room for {sum(room)}"
        )
    counts = [1] * len(weights)
    queue = [(-weight / 2, index) for index, weight in enumerate(weights) if room[index] > 1]
    heapq.heapify(queue)
    for _ in range(boxes - len(weights)):
        index = queue[0][1]
        counts[index] += 1
        if counts[index] < room[index]:
            heapq.heapreplace(queue, (-weights[index] / (counts[index] + 1), index))
        else:
            heapq.heappop(queue)
    return counts


def filled_up(drawn: Sequence[int], frames: np.ndarray, count: int) -> tuple[int, ...]:
    """`drawn` with frames added, or left out, until they are `count`: each time the frame furthest
    from all others.

    `frames` (sorted ids) are those that may be taken, at least `count`; of equals the earliest is
    taken.
    """
    chosen = sorted(set(drawn))[:count]
    if not chosen:
        chosen = [int(frames[len(frames) // 2])]
    distance = np.abs(frames[:, None] - np.array(chosen)[None]).min(1)
    while len(chosen) < count:
        frame_id = int(frames[np.argmax(distance)])
        chosen.append(frame_id)
        distance = np.minimum(distance, np.abs(frames - frame_id))
    return tuple(sorted(chosen))


def _usable(dataset: LabelledVideos, walk_back: bool) -> tuple[list[_Video], list[str], list[str]]:
    """Return the videos that the published rule can label, and the keys of the others.

    The last are those that cannot be read.
    """
    videos: list[_Video] = []
    failures: list[str] = []
    unreadable: list[str] = []
    for seq_id in range(dataset.get_num_sequences()):
        key = sequence_key(dataset, seq_id)
        visible = readable_selectable(dataset, seq_id)
        if visible is None:
            unreadable.append(key)
            continue
        if visible.sum() < 2:
            failures.append(key)
            continue
        frames = np.flatnonzero(visible)
        if walk_back:
            boxes = np.asarray(dataset.get_boxes(seq_id, range(int(frames[-1]) + 1)), float)
            human = np.abs(boxes - np.round(boxes)).sum(1) <= HUMAN_BOX_TOLERANCE
            frames = frames[human[frames]]
            frames = frames if len(frames) else np.zeros(1, int)  # what walking back gives then
        videos.append(_Video(key, seq_id, frames, visible))
    return videos, failures, unreadable


def _number_of_videos(budget: Budget, usable: int) -> int:
    if budget.videos is not None:
        count = budget.videos
        if count > usable:
            raise BadInput(
                f"{count} videos are asked for, but only {usable} have two frames that show the "
                "target; give "
                f"--videos {usable} or less"
            )
    elif budget.strategy in USUAL_BOXES:
        count = min(usable, max(1, budget.boxes // USUAL_BOXES[budget.strategy]))
    else:
        count = usable
    if count > budget.boxes:
        raise BadInput(
            f"{budget.boxes} boxes do not give each of {count} videos one; give --budget {count} "
            "or more, or "
            f"--videos {budget.boxes} or less, or --strategy many-sparse"
        )
    return count


def _chosen_videos(
    dataset: LabelledVideos,
    videos: Sequence[_Video],
    count: int,
    strategy: str,
    seed: int,
    on_video: Callable[[], None] | None,
) -> list[int]:
    """Indices of the videos to label; boxes that do not divide evenly go to the first of them."""
    order = sorted(
        range(len(videos)),
        key=lambda index: (
            generator(seed, "budget", videos[index].key).bit_generator.random_raw(),
            index,
        ),
    )
    if strategy != "diverse" or count == len(videos):
        return order[:count]
    features = content_features(dataset, [videos[index].seq_id for index in order], on_video)
    return [order[index] for index in farthest_first(features, count)]


def _frames_of(
    dataset: LabelledVideos, video: _Video, count: int, seed: int, walk_back: bool
) -> tuple[int, ...]:
    drawn = draw_key_frames(video.visible, count, generator(seed, "key_frames", video.key)) or ()
    if walk_back and drawn:
        boxes = np.asarray(dataset.get_boxes(video.seq_id, range(drawn[-1] + 1)))
        drawn = tuple({walk_back_to_human_box(boxes[: frame_id + 1]) for frame_id in drawn})
    return filled_up(drawn, video.frames, count)


def _more_videos(videos: Sequence[_Video], budget: Budget, count: int) -> str:
    """Say that more videos would do, if there are enough."""
    return (
        f", or more videos than {count} with --videos"
        if sum(len(video.frames) for video in videos) >= budget.boxes
        else ""
    )
