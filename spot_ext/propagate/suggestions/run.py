"""Opens a trained run, and finds the frames to label next in it. Annotation of the data sets is
never read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.loading import load_network
from ltr.data.seeding import generator
from ltr.dataset.base_video_dataset import BaseVideoDataset
from spot_ext.boxes.key_frames import sequence_key
from spot_ext.propagate.suggestions.choice import Suggestion, choose
from spot_ext.propagate.suggestions.scores import MAX_STEPS, PathScores, Weights, score_paths
from spot_ext.report.run_folder import Run, config_of, open_run
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import SparseConfig
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.recipe import open_dataset
from spot_ext.training.teacher import Teacher

BATCH = 16  # targets followed at a time; more feed a GPU better


@dataclass(frozen=True)
class SuggestConfig:
    """What to look at and how many frames to name."""

    count: int
    per_video: int = 2
    videos: int | None = None  # look at a random choice of as many videos; None: all
    max_steps: int = MAX_STEPS
    seed: int = 0  # of the choice of videos
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        for name, option in (
            ("count", "--n"),
            ("per_video", "--per-video"),
            ("videos", "--videos"),
            ("max_steps", "--steps"),
        ):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise BadValue(f"{option} is {getattr(self, name)}: give at least 1")


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run's newest teacher, the store it was saved with, and its videos."""

    folder: Path
    epoch: int
    config: SparseConfig
    teacher: Teacher
    store: PseudoLabelStore
    videos: dict[str, tuple[BaseVideoDataset, int]]  # by sequence key

    @classmethod
    def open(cls, folder: Path, device: str = "cpu") -> TrainedRun:
        """Read the newest checkpoint of the run in `folder` (or in its part `spot`). BadInput says
        what is not there.
        """
        run = open_run(Path(folder))
        if run.teacher is None or run.store is None or not run.recipe:
            raise BadInput(
                f"'{run.folder}' is no run of SPOT: it has no {_lacking(run)}; give the folder "
                "with the checkpoints "
                "of one, below checkpoints in workspace_dir of local.py"
            )
        config = config_of(run.recipe)
        architecture = get_architecture(config.architecture, config.reference.targets)
        net = load_network(run.teacher)[0]
        teacher = Teacher(net, architecture, config.teacher.window_weight)
        teacher.net.to(device)
        return cls(run.folder, run.epoch, config, teacher, run.store, _videos(config))

    def read(self, path: int, frame_id: int) -> np.ndarray:
        """A frame `(H, W, 3)` uint8 RGB of a path's video."""
        dataset, seq_id = self.videos[self.store.key_of(path)[0]]
        return dataset.get_frame(seq_id, frame_id)


def suggest(
    run: TrainedRun, config: SuggestConfig, tick: Callable[[], None] = lambda: None
) -> list[Suggestion]:
    """The frames of the run's videos whose labels would help most, best first."""
    paths = _paths_to_look_at(run, config)
    scores = score(run, paths, config.max_steps, tick)
    return choose(
        [run.store.key_of(path) for path in paths],
        [run.store.path(path).length for path in paths],
        scores,
        config.count,
        config.per_video,
        config.weights,
    )


def score(
    run: TrainedRun,
    paths: Sequence[int],
    max_steps: int = MAX_STEPS,
    tick: Callable[[], None] = lambda: None,
) -> list[PathScores]:
    """What the teacher and the store say of all unlabelled frames of these paths."""
    return score_paths(
        run.teacher,
        [(path, run.store.path(path)) for path in paths],
        run.read,
        run.config.crops,
        BATCH,
        max_steps,
        tick,
    )


def _lacking(run: Run) -> str:
    return next(
        name
        for name, value in (
            ("recipe in its checkpoint", run.recipe),
            ("teacher (*_t.pth.tar)", run.teacher),
            ("pseudo-label store", run.store),
        )
        if not value
    )


def _videos(config: SparseConfig) -> dict[str, tuple[BaseVideoDataset, int]]:
    found: dict[str, tuple[BaseVideoDataset, int]] = {}
    for part in config.datasets:
        dataset = open_dataset(part)
        for seq_id in range(dataset.get_num_sequences()):
            found.setdefault(sequence_key(dataset, seq_id), (dataset, seq_id))
    return found


def _paths_to_look_at(run: TrainedRun, config: SuggestConfig) -> list[int]:
    keys = [run.store.key_of(path)[0] for path in range(len(run.store))]
    missing = [key for key in dict.fromkeys(keys) if key not in run.videos]
    if missing:
        raise BadInput(
            f"{len(missing)} videos of the run in '{run.folder}' are not in its data sets any "
            "more, e.g. "
            f"'{missing[0]}'; bring them back to where they were"
        )
    names = list(dict.fromkeys(keys))
    if config.videos is not None and config.videos < len(names):
        picked = generator(config.seed, "suggest").choice(len(names), config.videos, replace=False)
        names = [names[i] for i in sorted(picked.tolist())]
    wanted = set(names)
    return [path for path, key in enumerate(keys) if key in wanted]
