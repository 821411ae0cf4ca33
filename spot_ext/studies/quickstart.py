"""The main job in minutes: train on the embedded videos with three boxes each, track unseen ones,
plot.

Three trackers are compared on the same held-out videos: after burn-in, trained on for as long with
labels only, and trained on with SPOT; on demand a fourth, trained with all labels. Everything
resumes: finished epochs and tracked sequences are not done again.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ltr.admin.errors import BadValue, suggestion
from ltr.io.files import atomic_write, write_text
from ltr.parallel.distributed import require_one_process
from ltr.recipes import find_recipe, recipe_names
from pytracking.analysis.plot_results import plot_results
from pytracking.analysis.tables import format_rows
from pytracking.evaluation import environment, get_dataset
from spot_ext.rendering import drawn
from spot_ext.studies.evaluate import Candidate, score_rows, track
from spot_ext.training import recipe
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.trainer import SparseTrainer

log = logging.getLogger(__name__)


def run(settings, config: SparseConfig, threads: int = 2, full: bool = False) -> Path:
    """Render, train both ways, evaluate, print the table; returns the path of the table as JSON.

    `config`'s data sets are replaced by the embedded videos. `threads` is the number of tracking
    processes. `full` adds a row trained with all labels for as many iterations; the other rows are
    those of the run without it, which are trained now where they are not there.
    """
    start = time.time()
    require_one_process("the quickstart")
    config = config.override(getattr(settings, "overrides", None) or {})
    recipe.check_sources(config, settings)
    environment.ensure_local_file()
    toy_folder = Path(environment.env_settings().toy_path)
    _say(f"1/4 embedded videos in {toy_folder}")
    drawn.ensure(toy_folder)
    config = config.replace(
        datasets=(DatasetConfig("Got10k", {"root": str(toy_folder / "train")}),)
    )

    settings, suffix = (
        _at(settings, settings.project_path.removesuffix("_full")),
        "_full" if full else "",
    )
    folder = recipe.run_folder_of(_at(settings, _seeded(settings)))
    candidates = train_candidates(settings, config)
    if full:
        candidates.append(train_with_all_labels(settings, config))
    _say("4/4 tracking the held-out videos")
    table = _report(candidates, folder, f"quickstart{suffix}_seed_{settings.seed:03d}", threads)
    table |= {
        "seconds": round(time.time() - start, 1),
        "seed": settings.seed,
        "k": config.k,
        "settings": config.to_plain(),
    }
    path = folder / f"table{suffix}.json"
    write_text(path, json.dumps(table, indent=2) + "\n")
    _say(
        f"\nTrack with it:  python pytracking/run_tracker.py "
        f"{get_architecture(config.architecture).tracker} {config.publish}{suffix} --dataset_name "
        "toy\n"
        f"Success plot:   {table['plot']}\nTable as JSON:\n{path}"
    )
    return path


def recipe_for(arch: str | None) -> str:
    """Return the name of the quickstart recipe that trains the network `arch`; None: the standard.

    Raises BadValue that lists the networks when there is none of this name.
    """
    if arch is None:
        return "quickstart"
    names = recipes()
    if arch not in names:
        raise BadValue(
            f"there is no quickstart with the network '{arch}'{suggestion(arch, names) or '.'} "
            f"Choose one of: {', '.join(names)}."
        )
    return names[arch]


def recipes() -> dict[str, str]:
    """The quickstart recipe of each network: `quickstart_NAME` of NAME, and of its tracker's name
    `quickstart` itself.
    """
    standard = find_recipe("spot", "quickstart").config().architecture
    found = {get_architecture(standard).tracker: "quickstart"}
    for name in recipe_names("spot"):
        if (
            name.startswith("quickstart_")
            and find_recipe("spot", name).config().architecture != standard
        ):
            found[name.removeprefix("quickstart_")] = name
    return found


def train_candidates(settings, config: SparseConfig) -> list[Candidate]:
    """Train with SPOT, and from the same burn-in for as many iterations with labels only; the three
    networks to compare.

    All three are teachers, which equal the students at the end of burn-in: what differs is what
    they were taught with.
    """
    folder = _seeded(settings)
    labels = recipe.run_folder_of(_at(settings, folder)) / "labels"
    _say(
        f"2/4 training with {config.k} boxes per video: {config.burn_in_epochs} epochs of burn-in, "
        f"{config.epochs - config.burn_in_epochs} with a teacher"
    )
    spot = recipe.train(_at(settings, f"{folder}/spot"), config, labels)
    _say("3/4 for comparison, from the same burn-in for as many iterations with labels only")
    labels_only = _train_labels_only(_at(settings, f"{folder}/labels_only"), config, labels, spot)
    what = (spot.pool.num_labels, spot.actor.architecture)
    return [
        Candidate("burn-in only", spot.teacher_file(config.burn_in_epochs), *what),
        Candidate("labels only", labels_only.teacher_file(config.epochs), *what),
        Candidate("SPOT", spot.teacher_file(config.epochs), *what),
    ]


def _train_labels_only(
    settings, config: SparseConfig, labels: Path, spot: SparseTrainer
) -> SparseTrainer:
    """Go on from `spot`'s last burn-in checkpoint without unlabelled frames."""
    config = config.replace(unlabelled=0, publish=None)
    folder = recipe.run_folder_of(settings)
    for source in (
        spot.teacher_file(config.burn_in_epochs),
        spot.student_file(config.burn_in_epochs),
    ):
        if not any(
            folder.glob("*_s.pth.tar")
        ):  # the student's file comes last and makes it a run to resume
            with atomic_write(folder / source.name) as temporary:
                shutil.copyfile(source, temporary)
    return recipe.train(settings, config, labels)


def train_with_all_labels(settings, config: SparseConfig) -> Candidate:
    """Train the same network with the same schedule and every label of every video: full
    supervision.
    """
    config = config.replace(
        k=None, unlabelled=0, publish=config.publish and f"{config.publish}_full"
    )
    _say("3/4 and with all labels, full supervision, for as many iterations")
    trainer = recipe.train(_at(settings, f"{_seeded(settings)}/all_labels"), config)
    return Candidate(
        "all labels",
        trainer.teacher_file(config.epochs),
        trainer.pool.num_labels,
        trainer.actor.architecture,
    )


def _report(candidates: Sequence[Candidate], folder: Path, report: str, threads: int) -> dict:
    """Track, score, print the table and draw the plots."""
    dataset = get_dataset("toy")
    trackers = track(candidates, dataset, folder / "tracking_results", threads)
    rows = score_rows(trackers, dataset, report)
    plots = plot_results(trackers, dataset, report, plot_types=("success", "prec"))
    _say(format_rows(rows, table_name=f"toy, {len(dataset)} videos"))
    names = {
        "AUC": "auc",
        "OP50": "op50",
        "OP75": "op75",
        "Precision": "precision",
        "Norm Precision": "norm_precision",
        "AO": "ao",
        "SR50": "sr50",
        "SR75": "sr75",
    }
    return {
        "rows": [
            {
                "name": row.label,
                "labels": candidate.labels,
                **{
                    names.get(column, column): round(value, 3)
                    for column, value in row.scores.items()
                },
            }
            for row, candidate in zip(rows, candidates, strict=True)
        ],
        "plot": str(next(path for path in plots if path.name == "success_plot.png")),
    }


def _seeded(settings) -> str:
    return f"{settings.project_path}/seed_{settings.seed:03d}"


def _at(settings, project_path: str):
    """Return the settings of a run in another folder; the configuration holds the overrides."""
    settings = copy.copy(settings)
    settings.project_path, settings.overrides = project_path, {}
    return settings


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
