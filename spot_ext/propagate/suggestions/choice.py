"""From scores to a list of frames: the best ones, at most a few of a video, and not next to each
other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spot_ext.propagate.suggestions.scores import PathScores, Weights


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One frame worth a label."""

    video: str  # the sequence's key in label files
    path: int  # number of the target in the video
    frame_id: int
    score: float  # 0..1
    reason: str
    there_xywh: np.ndarray  # (4,) where the teacher sees the target, coming from one side
    back_xywh: np.ndarray  # (4,) and from the other


def choose(
    places: Sequence[tuple[str, int]],
    lengths: Sequence[int],
    scores: Sequence[PathScores],
    count: int,
    per_video: int,
    weights: Weights,
) -> list[Suggestion]:
    """The `count` best frames, highest score first; fewer where there are not as many.

    `places` are the video and the number of the target of each path, `lengths` the frames of its
    video. A video gives at most `per_video`; of one target they are at least a part of the video
    apart that shrinks with `per_video`, as neighbours would teach the same.
    """
    values = [path.scores(weights) for path in scores]
    # equal scores: the order of paths and frames decides, the same on every machine
    order = sorted(
        (
            (-value, number, row)
            for number, path in enumerate(values)
            for row, value in enumerate(path.tolist())
        )
    )
    taken: Counter[str] = Counter()
    chosen_ids: dict[int, list[int]] = defaultdict(list)
    chosen = []
    for negative, number, row in order:
        if len(chosen) == count:
            break
        video, path = places[number]
        frame_id = int(scores[number].frame_ids[row])
        apart = lengths[number] / (2 * per_video + 2)
        if taken[video] == per_video or any(
            abs(frame_id - other) < apart for other in chosen_ids[number]
        ):
            continue
        taken[video] += 1
        chosen_ids[number].append(frame_id)
        chosen.append(
            Suggestion(
                video,
                path,
                frame_id,
                -negative,
                scores[number].reason(row, weights),
                scores[number].there_xywh[row],
                scores[number].back_xywh[row],
            )
        )
    return chosen
