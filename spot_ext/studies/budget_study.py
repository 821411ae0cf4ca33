"""Compare ways to spend a number of boxes: few videos densely, many sparsely, or many sparsely and
the other videos without any.

One `Cell` is one training run of the study with its test. `grown` cells add labels to a finished
one, those that `suggest` names or random ones, and train anew. Everything resumes: a finished cell
is a JSON file, an unfinished one goes on from its checkpoint.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.admin.settings import Settings
from ltr.data.seeding import generator
from ltr.dataset import Got10k, VideoFolder
from ltr.io.files import write_text
from ltr.parallel.distributed import require_one_process
from pytracking.evaluation import environment, get_dataset
from spot_ext.boxes import budget
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.key_frames import sequence_key
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.discover.motion import motion_tracks
from spot_ext.discover.quality import Limits
from spot_ext.discover.search import as_labels, search
from spot_ext.propagate.suggest import SuggestConfig, suggest
from spot_ext.propagate.trained_run import TrainedRun
from spot_ext.rendering import drawn
from spot_ext.studies import evaluate
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.data.videos import SPARSE

FEW_DENSE, MANY_SPARSE, WITH_UNLABELLED = ARMS = (
    "few-dense",
    "many-sparse",
    "many-sparse+unlabelled",
)
SUGGESTED, RANDOM = GROWN = ("suggested", "random")
RECIPE_BOXES = 30  # of the single run that the recipe is
PER_VIDEO = 2  # labels that `suggest` may add to a video


@dataclass(frozen=True)
class Cell:
    """Describe one run: how the boxes are spent, how many, and the seed of labels and training. A
    grown cell starts from the labels of many-sparse with `boxes` and adds `added`.
    """

    arm: str
    boxes: int
    seed: int
    added: int = 0

    @property
    def name(self) -> str:
        """Return the name of its files, also used on the command line."""
        return (
            f"{self.arm}_{self.boxes}{f'+{self.added}' if self.added else ''}_seed_{self.seed:03d}"
        )

    @property
    def base(self) -> Cell:
        """The cell that a grown one adds labels to."""
        return Cell(MANY_SPARSE, self.boxes, self.seed)


@dataclass(frozen=True)
class Study:
    """Hold what all cells share. `discovered` is the label file of the targets found in the
    training videos.
    """

    train: Path  # a GOT-10k tree
    tests: tuple[str, ...]  # evaluation data sets
    folder: Path
    config: SparseConfig
    discovered: Path | None = None

    def cell_file(self, cell: Cell) -> Path:
        """Return the file of a finished cell."""
        return self.folder / "cells" / f"{cell.name}.json"

    def is_done(self, cell: Cell) -> bool:
        """Tell if the cell is finished; BadInput when it was finished with other settings."""
        if not self.cell_file(cell).is_file():
            return False
        here = json.loads(
            json.dumps({**self.config.to_plain(), "datasets": None})
        )  # lists for tuples, as the file has them
        if {**self.result(cell)["settings"], "datasets": None} != here:
            raise BadInput(
                f"{self.cell_file(cell)} was made with other settings than this study's; give "
                "another folder"
            )
        return True

    def result(self, cell: Cell) -> dict[str, Any]:
        """Return the result of a finished cell."""
        return json.loads(self.cell_file(cell).read_text(encoding="utf-8"))

    def settings(self, cell: Cell) -> Settings:
        """Return the settings of the cell's training run."""
        settings = Settings()
        settings.seed, settings.overrides, settings.print_interval = (
            cell.seed,
            {},
            self.config.iterations,
        )
        settings.project_path = f"ltr/spot/{self.folder.name}/{cell.name}"
        settings.description = f"budget study, {cell.name}"
        return settings


def run(settings, config: SparseConfig) -> dict[str, Any]:
    """Run one cell on the embedded videos: many-sparse, and targets found in the videos that got no
    box.
    """
    require_one_process("the budget study")
    config = config.override(getattr(settings, "overrides", None) or {})
    environment.ensure_local_file()
    train = drawn.ensure(Path(environment.env_settings().toy_path)).root / "train"
    folder = Path(settings.env.workspace_dir).expanduser() / "budget_study"
    study = Study(train, ("toy",), folder, config, find_targets(train, folder / "found.json"))
    cell = Cell(WITH_UNLABELLED, RECIPE_BOXES, settings.seed)
    result = run_cell(study, cell)
    sys.stdout.write(
        f"{result['labels']} boxes in {result['videos']} videos, {result['unlabelled_videos']} "
        "videos without: "
        f"AUC {result['auc']:.1f} on toy\n{study.cell_file(cell)}\n"
    )
    return result


def find_targets(train: Path, file: Path) -> Path:
    """Search the videos of `train` for what moves, unless `file` is there; their annotation is not
    read.
    """
    if not file.is_file():
        dataset, limits = VideoFolder(str(train)), Limits()
        findings = search(
            dataset,
            range(dataset.get_num_sequences()),
            lambda _name, frames: motion_tracks(frames, limits.least_frames),
            limits,
            lambda _note: None,
        )
        label_file.write(as_labels(dataset, findings, "mot", train.name, 0), file)
    return file


def run_cell(study: Study, cell: Cell) -> dict[str, Any]:
    """Choose labels, train, track the test videos and write the result, unless it is there."""
    if study.is_done(cell):
        return study.result(cell)
    start, cpu = time.time(), time.process_time()
    videos = Got10k(root=str(study.train))
    file = study.folder / "labels" / f"{cell.name}.json"
    if not file.is_file():
        label_file.write(
            grown_labels(study, cell, videos) if cell.added else chosen_labels(videos, cell), file
        )
    labels = label_file.read(file)
    config = study.config.replace(datasets=_datasets(study, cell, labels, file))
    trainer = recipe.train(study.settings(cell), config)
    candidate = evaluate.Candidate(
        cell.name,
        trainer.teacher_file(config.epochs),
        labels.num_labels,
        trainer.actor.architecture,
    )
    result = {
        **asdict(cell),
        "name": cell.name,
        "videos": len(labels.videos),
        "labels": labels.num_labels,
        "unlabelled_videos": trainer.pool.num_videos - len(labels.videos),
        **_test(study, candidate),
        "explored": round(
            trainer.pool.store(trainer.store_epoch(config.epochs)).explored_share().total, 4
        ),
        "seconds": round(time.time() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "settings": config.to_plain(),
    }
    write_text(study.cell_file(cell), json.dumps(result, indent=2) + "\n")
    return study.result(cell)  # the same values as when it is read again


def chosen_labels(videos: Got10k, cell: Cell) -> LabelSet:
    """The labels of a cell; those of many-sparse are the same with and without unlabelled
    videos.
    """
    strategy = FEW_DENSE if cell.arm == FEW_DENSE else MANY_SPARSE
    return budget.choose(videos, budget.Budget(cell.boxes, strategy), cell.seed)


def grown_labels(study: Study, cell: Cell, videos: Got10k) -> LabelSet:
    """The base cell's labels and more, in the videos that have some: frames that `suggest` names,
    or random ones.

    Somebody who is asked for a box where the target cannot be seen has none to give: the frame is
    spent all the same.
    """
    base = chosen_labels(videos, cell.base)
    if cell.arm == SUGGESTED:
        if not study.is_done(cell.base):
            raise BadInput(
                f"the cell {cell.name} needs the finished cell {cell.base.name}; run that first"
            )
        run = TrainedRun.open(recipe.run_folder_of(study.settings(cell.base)))
        wanted = [
            (item.video, item.frame_id)
            for item in suggest(run, SuggestConfig(cell.added, PER_VIDEO))
        ]
    else:
        wanted = random_frames(videos, base, cell.added, cell.seed)
    return with_frames(videos, base, wanted)


def random_frames(videos: Got10k, base: LabelSet, count: int, seed: int) -> list[tuple[str, int]]:
    """`count` frames without a label, each equally likely, of the videos that have labels."""
    free = []
    for seq_id in range(videos.get_num_sequences()):
        key = sequence_key(videos, seq_id)
        if key in base.videos:
            labelled = set(base.videos[key].tracks[0].frame_ids.tolist())
            free += [
                (key, frame_id)
                for frame_id in range(videos.get_sequence_length(seq_id))
                if frame_id not in labelled
            ]
    picked = generator(seed, "random labels").permutation(len(free))[:count]
    return [free[i] for i in picked.tolist()]


def with_frames(videos: Got10k, base: LabelSet, wanted: Sequence[tuple[str, int]]) -> LabelSet:
    """`base` and the wanted frames (video, frame) that show the target."""
    ids = {key: set(video.tracks[0].frame_ids.tolist()) for key, video in base.videos.items()}
    places = {sequence_key(videos, seq_id): seq_id for seq_id in range(videos.get_num_sequences())}
    for key, frame_id in wanted:
        if videos.get_visible(places[key])[frame_id]:
            ids[key].add(frame_id)
    grown = {
        key: VideoLabels(key, (labelled_track(tuple(sorted(frames))),))
        for key, frames in ids.items()
    }
    return replace(base, videos=grown)


def _datasets(study: Study, cell: Cell, labels: LabelSet, file: Path) -> tuple[DatasetConfig, ...]:
    parts = [DatasetConfig("Got10k", {"root": str(study.train)}, labels=str(file))]
    if cell.arm == WITH_UNLABELLED:
        if study.discovered is None:
            raise BadInput(
                f"the cell {cell.name} needs targets found in videos without labels; give their "
                "label file"
            )
        found = label_file.read(study.discovered)
        found = replace(
            found,
            videos={key: video for key, video in found.videos.items() if key not in labels.videos},
        )
        file = label_file.write(found, file.with_name(f"{cell.name}_found.json"))
        if found.videos:
            parts.append(
                DatasetConfig("VideoFolder", {"root": str(study.train)}, (SPARSE,), str(file))
            )
    return tuple(parts)


def _test(study: Study, candidate: evaluate.Candidate) -> dict[str, Any]:
    """AUC on each test set, and over all their sequences."""
    scores, counts = {}, {}
    for name in study.tests:
        dataset = get_dataset(name)
        trackers = evaluate.track([candidate], dataset, study.folder / "tracked")
        (row,) = evaluate.score_rows(
            trackers, dataset, f"{study.folder.name}_{candidate.name}_{name}"
        )
        scores[name], counts[name] = dict(row.scores), len(dataset)
    auc = np.average(
        [scores[name]["AUC"] for name in study.tests],
        weights=[counts[name] for name in study.tests],
    )
    return {"auc": float(auc), "scores": scores}
