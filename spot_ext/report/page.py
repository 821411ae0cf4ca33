"""Puts a run's parts together into the page, and into the numbers for machines."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from ltr.admin.errors import BadInput
from spot_ext.report import verdict
from spot_ext.report.charts import Series, heat_map, line_chart, percent, plain, stacked_bars
from spot_ext.report.confidence_extremes import ConfidenceExtremes, confidence_extremes
from spot_ext.report.evaluation import Evaluation, evaluation
from spot_ext.report.examples import Examples, examples
from spot_ext.report.exploration import CONFIDENCE, TIME, Exploration, exploration, gradient
from spot_ext.report.labelled import LabelledVideos, labelled_videos
from spot_ext.report.pictures import Videos, open_videos
from spot_ext.report.run_folder import Run, config_of, open_run
from spot_ext.training.config import SparseConfig
from spot_ext.training.pseudo_labels import PseudoLabelStore

log = logging.getLogger(__name__)

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Chart:
    """A chart with its title, its lines for the legend, and a sentence on how to read it."""

    title: str
    svg: str
    legend: list[Series]
    text: str = ""


@dataclass(frozen=True)
class Report:
    """All there is to show; parts that a run does not have are None, and `notes` says why."""

    run: Run | None
    answers: list[verdict.Answer]
    facts: list[tuple[str, str]]
    learning: list[Chart]
    pseudo: list[Chart]
    timing: list[Chart]
    explored: Exploration | None
    examples: Examples | None
    confidence_extremes: ConfidenceExtremes | None
    evaluation: Evaluation | None
    settings: list[tuple[str, list[tuple[str, str, bool]]]]
    labelled: LabelledVideos | None
    notes: dict[str, list[str]]  # section -> sentences


def build(
    folder: Path | None,
    labelled: Path | None = None,
    results: Path | None = None,
    root: Path | None = None,
) -> Report:
    """Read the run in `folder` and the dense boxes in `labelled`, either may be None. See `command`
    for the rest.
    """
    boxes = labelled_videos(labelled, root) if labelled is not None else None
    if folder is None:
        return Report(None, [], [], [], [], [], None, None, None, None, [], boxes, {})
    run = open_run(folder)
    notes: dict[str, list[str]] = {"run": run.notes, "pictures": [], "explored": []}
    explored = sure = shown = None
    if run.store is not None:
        explored = exploration(run, run.store)
        opened = _open_videos(run, run.store, root, notes["pictures"])
        videos = None
        if opened is not None:
            config, videos = opened
            try:
                shown = examples(run, run.store, config, videos)
            except (BadInput, OSError) as error:
                notes["pictures"].append(f"Examples could not be drawn: {error}.")
        sure = confidence_extremes(run.store, videos)
        if run.store.epoch == 0:
            notes["explored"].append(
                "Only the labels are known: pseudo-labels are sought after burn-in."
                if run.recipe.get("unlabelled", 0)
                else "Only the labels are known: this run uses no pseudo-labels."
            )
    elif not run.recipe:
        notes["explored"].append(
            "This run was not trained with SPOT: it has no store of pseudo-labels."
        )
    return Report(
        run,
        verdict.answers(run),
        _facts(run, explored),
        list(_learning(run)),
        list(_pseudo(run)),
        list(_timing(run)),
        explored,
        shown,
        sure,
        evaluation(run.folder, results),
        _settings(run),
        boxes,
        notes,
    )


def to_html(report: Report, title: str) -> str:
    """The page: one file that needs no other."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(HERE),
    )
    environment.globals |= {
        "percent": percent,
        "plain": plain,
        "duration": verdict.duration,
        "gradients": {"confidence": gradient(CONFIDENCE), "epoch": gradient(TIME)},
    }
    assets = {name: (HERE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js")}
    return environment.get_template("page.html").render(
        report=report,
        title=title,
        style=assets["style.css"],
        script=assets["page.js"],
        made=datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
    )


def to_plain(report: Report) -> dict[str, Any]:
    """The report's numbers for programs: curves by epoch, answers, shares, scores, doubtful
    frames.
    """
    run = report.run
    plain_report: dict[str, Any] = {
        "notes": [note for notes in report.notes.values() for note in notes]
    }
    if run is not None:
        plain_report |= {
            "run": run.name,
            "folder": str(run.folder),
            "epoch": run.epoch,
            "epochs": run.recipe.get("epochs"),
            "answers": {
                answer.question: {"short": answer.short, "kind": answer.kind, "text": answer.text}
                for answer in report.answers
            },
            "curves": {
                name: [[epoch, value] for epoch, value in curve.items()]
                for name, curve in run.curves.items()
            },
            "confidences": {
                line.number: list(line.confidences) for line in run.epochs if sum(line.confidences)
            },
            "explored_share": None if report.explored is None else report.explored.total,
            "least_sure": []
            if report.confidence_extremes is None
            else [
                {"video": video.name, "confidence": round(video.confidence, 4)}
                for video in report.confidence_extremes.least
            ],
            "evaluation": [
                dict(zip(["name", *report.evaluation.columns], [name, *cells], strict=True))
                for name, cells, _ in report.evaluation.rows
            ]
            if report.evaluation
            else [],
        }
    if report.labelled is not None:
        plain_report["labelled"] = report.labelled.to_plain()
    return plain_report


def _open_videos(
    run: Run, store: PseudoLabelStore, root: Path | None, notes: list[str]
) -> tuple[SparseConfig, Videos] | None:
    """Return the run's configuration and videos; None, with a note, where they cannot be read."""
    try:
        config = config_of(run.recipe)
        return config, open_videos(config, store, root)
    except BadInput as error:
        moved = any(
            "root" in (part.get("options") or {}) for part in run.recipe.get("datasets", ())
        )
        notes.append(
            f"Pictures of the videos are left out, because the data set cannot be read: {error}."
            f"{' If it was moved, name its folder with --root.' * moved}"
        )
        return None


def _facts(run: Run, explored: Exploration | None) -> list[tuple[str, str]]:
    recipe = run.recipe
    epochs = f"{run.epoch} of {recipe['epochs']}" if "epochs" in recipe else f"{run.epoch}"
    facts = [
        ("epoch", epochs),
        ("network", f"{recipe.get('architecture') or run.net_type}, {run.parameters / 1e6:.1f} M"),
    ]
    store = run.store
    if explored is not None and store is not None:
        labels = sum(len(store.track(track_id).key_ids) for track_id in range(len(store)))
        videos = len({store.key_of(track_id)[0] for track_id in range(len(store))})
        facts += [
            ("labels", f"{labels:,} boxes"),
            ("videos", f"{videos:,} with {explored.frames:,} frames"),
            ("explored", percent(explored.total)),
        ]
    if seconds := verdict.total_seconds(run):
        facts.append(("training time", verdict.duration(seconds)))
    return facts


def _learning(run: Run) -> Iterator[Chart]:
    burn_in = run.burn_in
    losses = [
        Series("total", run.curve("Loss/total"), "c1"),
        Series("labelled", run.curve("Loss/sup"), "c3", True),
        Series("unlabelled", run.curve("Loss/unsup"), "c2", True),
    ]
    yield from _chart(
        "Loss",
        losses,
        line_chart,
        "After burn-in the total counts other losses: do not compare across the line.",
        shaded_until=burn_in,
    )
    known = {"Loss/total", "Loss/sup", "Loss/unsup"}
    parts = [
        Series(name.removeprefix("Loss/"), curve, f"c{1 + i % 5}", i >= 5)
        for i, (name, curve) in enumerate(
            (name, curve)
            for name, curve in run.curves.items()
            if name.startswith("Loss/") and name not in known
        )
    ]
    yield from _chart(
        "Parts of the labelled loss",
        parts,
        line_chart,
        "Before they are weighted.",
        shaded_until=burn_in,
    )
    ious = [
        Series("labelled pairs", run.curve("iou_sup") or run.curve("iou"), "c1"),
        Series("with pseudo-labels", run.curve("iou_unsup"), "c2"),
    ]
    yield from _chart(
        "IoU of the student's box",
        ious,
        line_chart,
        "With labels, and with the teacher's accepted boxes in augmented crops.",
        shaded_until=burn_in,
        y_range=(0, 1),
    )
    rates, seen = [], []
    for name, curve in run.curves.items():
        if name.startswith("LearningRate/") and curve not in seen:
            seen.append(curve)
            rates.append(Series(name.removeprefix("LearningRate/"), curve, f"c{len(seen)}"))
    yield from _chart("Learning rate", rates, line_chart, "", shaded_until=burn_in, log=True)


def _pseudo(run: Run) -> Iterator[Chart]:
    yield from _chart(
        "Accepted pseudo-labels",
        [Series("yield", run.curve("yield"), "c1")],
        line_chart,
        "Share of the frames drawn without a label in which the teacher's box was accepted. A "
        "fall towards 0 "
        "is a collapse; so is a rise to 100 % while the IoU falls.",
        y_range=(0, 1),
        y_format=percent,
    )
    columns = {
        line.number: [count / sum(line.confidences) for count in line.confidences]
        for line in run.epochs
        if sum(line.confidences)
    }
    threshold = (run.recipe.get("teacher") or {}).get("iou_threshold")
    if columns:
        yield Chart(
            "Confidence",
            heat_map(
                columns,
                marker=threshold,
                y_label=f"accepted from {threshold}",
                label="Histogram of confidences by epoch",
            ),
            [],
            "The teacher's predicted IoU in all frames drawn without a label, accepted or not: "
            "each column is the "
            "histogram of an epoch.",
        )
    yield from _chart(
        "New in the store",
        [
            Series("replaced by a surer box", run.curve("Store/replaced"), "c4"),
            Series("explored for the first time", run.curve("Store/new"), "c3"),
        ],
        stacked_bars,
        "Frames whose box changed in the epoch.",
    )
    yield from _chart(
        "Explored",
        [Series("share of all frames", run.curve("Store/explored"), "c3")],
        line_chart,
        "Frames that have a box, labels included.",
        y_range=(0, 1),
        y_format=percent,
    )


def _timing(run: Run) -> Iterator[Chart]:
    colours = {"data": "c2", "upload": "c3", "teacher": "c4", "student": "c1"}
    series = [
        Series(name.removeprefix("Time/"), curve, colours.get(name.removeprefix("Time/"), "c5"))
        for name, curve in run.curves.items()
        if name.startswith("Time/")
    ]
    yield from _chart(
        "Seconds an epoch",
        series,
        stacked_bars,
        "Waiting for data, its way to the device, the teacher's part, "
        "the student's, and the optimiser's step.",
        shaded_until=run.burn_in,
    )
    redrawn = run.curve("Data/redrawn")
    yield from _chart(
        "Samples redrawn", [Series("because of unusable files", redrawn, "c2")], stacked_bars, ""
    )


def _chart(title: str, series: list[Series], draw, text: str, **options) -> Iterator[Chart]:
    series = [one for one in series if one.points]
    if series:
        yield Chart(
            title, draw(series, label=title, **options), series if len(series) > 1 else [], text
        )


def _settings(run: Run) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """The recipe in groups: name, value, and whether it differs from the default."""
    if not run.recipe:
        hidden = ("project_path", "overrides", "_type", "env")
        return [
            (
                "settings",
                [
                    (name, _text(value), False)
                    for name, value in run.settings.items()
                    if name not in hidden
                ],
            )
        ]
    default = SparseConfig(datasets=()).to_plain()
    whole = [
        (name, value)
        for name, value in run.recipe.items()
        if name != "datasets" and not isinstance(value, Mapping)
    ]
    groups = [
        (
            "recipe",
            [
                (name, _text(value), name in default and value != default[name])
                for name, value in whole
            ],
        )
    ]
    for name, value in run.recipe.items():
        if isinstance(value, Mapping):
            known = default.get(name) or {}
            groups.append(
                (
                    name,
                    [
                        (key, _text(item), key not in known or known[key] != item)
                        for key, item in value.items()
                    ],
                )
            )
    for number, part in enumerate(run.recipe.get("datasets", ()), 1):
        title = "data set" if len(run.recipe["datasets"]) == 1 else f"data set {number}"
        groups.append((title, [(key, _text(item), False) for key, item in part.items()]))
    groups[0][1].append(("seed", _text(run.seed), False))
    return [(name, rows) for name, rows in groups if rows]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except TypeError:
        return str(value)
