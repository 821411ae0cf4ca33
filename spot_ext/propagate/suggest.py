"""`suggest`: names the frames of a trained run whose labels would help most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ltr.admin.errors import BadValue
from spot_ext.boxes.frame_request import FrameRequest
from spot_ext.propagate.label_worth import MAX_STEPS, LabelWorth, Weights, label_worths
from spot_ext.propagate.trained_run import TrainedRun

# Names of the boxes that a request shows: where the teacher sees the target from either side.
FORWARD = "forward"
BACKWARD = "backward"


@dataclass(frozen=True)
class SuggestConfig:
    """Says what to look at and how many frames to name."""

    count: int
    per_video: int = 2
    videos: int | None = None  # look at a random choice of as many videos; None: all
    max_steps: int = MAX_STEPS
    seed: int = 0  # of the choice of videos
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        options = {
            "--n": self.count,
            "--per-video": self.per_video,
            "--videos": self.videos,
            "--steps": self.max_steps,
        }
        for option, value in options.items():
            if value is not None and value < 1:
                raise BadValue(f"{option} is {value}: give at least 1")


@dataclass(frozen=True, eq=False)
class Candidates:
    """The frames of one target that may be suggested."""

    video: str  # the sequence's key in label files
    target: int  # number of the target in the video
    frame_count: int  # of the video
    worth: LabelWorth

    def request(self, row: int, score: float, weights: Weights) -> FrameRequest:
        """Return the request for one of the frames."""
        forward, backward = self.worth.forward_xywh[row], self.worth.backward_xywh[row]
        return FrameRequest(
            video=self.video,
            # People count objects from 1.
            object_id=str(self.target + 1),
            frame_id=int(self.worth.frame_ids[row]),
            score=score,
            reason=self.worth.reason(row, weights),
            boxes_xywh={FORWARD: tuple(forward.tolist()), BACKWARD: tuple(backward.tolist())},
        )


def suggest(
    run: TrainedRun, config: SuggestConfig, tick: Callable[[], None] = lambda: None
) -> list[FrameRequest]:
    """Return the frames of the run's videos whose labels would help most, best first."""
    targets = run.targets(config.videos, config.seed)
    worths = label_worths(
        run.teacher,
        [(target, run.store.track(target)) for target in targets],
        run.read,
        run.config.crops,
        max_steps=config.max_steps,
        tick=tick,
    )
    candidates = [
        Candidates(*run.store.key_of(target), run.store.track(target).length, worth)
        for target, worth in zip(targets, worths, strict=True)
    ]
    return choose(candidates, config.count, config.per_video, config.weights)


def choose(
    candidates: Sequence[Candidates], count: int, per_video: int, weights: Weights
) -> list[FrameRequest]:
    """Return the `count` best frames, highest score first; fewer where there are not as many.

    A video gives at most `per_video`. Of one target they are at least a part of the video apart
    that shrinks with `per_video`, as neighbours would teach the same.
    """
    ranked = [
        (-score, number, row)
        for number, item in enumerate(candidates)
        for row, score in enumerate(item.worth.scores(weights).tolist())
    ]
    # Equal scores: the order of targets and frames decides, the same on every machine.
    ranked.sort()
    taken_of_video: Counter[str] = Counter()
    taken_ids: dict[int, list[int]] = defaultdict(list)
    chosen: list[FrameRequest] = []
    for negative_score, number, row in ranked:
        if len(chosen) == count:
            break
        item = candidates[number]
        frame_id = int(item.worth.frame_ids[row])
        apart = item.frame_count / (2 * per_video + 2)
        is_near = any(abs(frame_id - taken) < apart for taken in taken_ids[number])
        if taken_of_video[item.video] == per_video or is_near:
            continue
        taken_of_video[item.video] += 1
        taken_ids[number].append(frame_id)
        chosen.append(item.request(row, -negative_score, weights))
    return chosen
