"""GOT-10k's measures: average overlap (AO), success rates at 0.5 and 0.75, speed, and the plot of
its server's reports.

The numbers are those of the got10k toolkit (Huang et al., GOT-10k, TPAMI 2021): frames of all
sequences and repetitions are pooled, the first frame and frames whose target is fully covered or
absent are left out, boxes are cut to the image.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ltr.admin.errors import BadValue, MissingFile
from ltr.geometry.array_boxes import got10k_iou
from pytracking.analysis import eval_cache
from pytracking.analysis.drawing import get_plot_draw_styles, plot_draw_save, show_figures
from pytracking.analysis.result_files import missing_result, result_file
from pytracking.analysis.scores import get_tracker_display_name
from pytracking.evaluation import environment
from pytracking.utils.load_text import load_text, load_text_numpy, read_boxes

logger = logging.getLogger(__name__)

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Got10kScores:
    """Scores of one tracker on one sequence or a whole data set, all in [0, 1] except the speed.

    `ao` is the mean overlap of the judged frames, `sr50` and `sr75` the part of them above that
    overlap, `success_curve` that part for the thresholds 0.00, 0.01 … 1.00, `speed_fps` the mean
    speed of frames (None without time files).
    """

    label: str
    ao: float
    sr50: float
    sr75: float
    speed_fps: float | None
    success_curve: np.ndarray
    sequences: tuple[Got10kScores, ...] = ()


def got10k_table(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    merge_results: bool = False,
    skip_missing_seq: bool = False,
) -> list[Got10kScores]:
    """Score trackers on a data set in the sense of the got10k toolkit, with the scores of each
    sequence inside.

    Results are read from `<results_dir>/<seq>.txt` and `<seq>_time.txt`, or from the toolkit's own
    layout, `<results_dir>/<seq>/<seq>_001.txt`, `_002.txt`, … (repetitions, pooled) and
    `<seq>/<seq>_time.txt`. A frame counts when `cover.label` beside the frames is above 0;
    sequences without that file use `target_visible`, or all frames.

    Args:
        merge_results: pool the runs of each (name, parameter) into one row.
        skip_missing_seq: leave out sequences for which one of the trackers has no result.

    Raises:
        MissingFile: a result is absent.
        BadValue: lengths that differ, invalid boxes, or a data set without public ground truth.

    """
    groups: dict[Any, list[Any]] = {}
    for i, tracker in enumerate(trackers):
        groups.setdefault(
            (tracker.name, tracker.parameter_name) if merge_results else i, []
        ).append(tracker)
    if skip_missing_seq:
        dataset = [seq for seq in dataset if all(_box_files(tracker, seq) for tracker in trackers)]
    if not len(dataset) or not groups:
        raise BadValue(
            "GOT-10k scores need at least one tracker and one sequence with results; run the "
            "trackers first"
        )
    truths = [read_truth(seq) for seq in dataset]
    unknown = [truth.name for truth in truths if truth.image_wh is None]
    if unknown:
        logger.warning(
            "The image size of %d sequence(s) is unknown, %s for one: boxes are not cut to the "
            "image there",
            len(unknown),
            unknown[0],
        )

    table = []
    for runs in groups.values():
        judged = [_judge(runs, seq, truth) for seq, truth in zip(dataset, truths, strict=True)]
        sequences = tuple(
            _summary(truth.name, *frames) for truth, frames in zip(truths, judged, strict=True)
        )
        overlaps, speeds = (np.concatenate(parts) for parts in zip(*judged, strict=True))
        label = get_tracker_display_name(eval_cache.tracker_entry(runs[0]))
        table.append(_summary(label, overlaps, speeds, sequences))
    return table


def plot_got_success(trackers: Sequence[Any], report_name: str) -> list[Path]:
    """Draw the success plot of reports that the GOT-10k server made,
    `<got_reports_path>/<tracker.name>.json`.

    Returns the written files in `<result_plot_path>/<report_name>/`.
    """
    reports = [_server_report(tracker) for tracker in trackers]
    if not reports:
        raise BadValue("plot_got_success needs at least one tracker")
    files = plot_draw_save(
        100 * np.array([report["succ_curve"] for report in reports]),
        SUCCESS_THRESHOLDS,
        [100 * report["ao"] for report in reports],
        [eval_cache.tracker_entry(tracker) for tracker in trackers],
        get_plot_draw_styles(),
        eval_cache.report_folder(report_name),
        {
            "plot_type": "success",
            "legend_loc": "lower left",
            "xlabel": "Overlap threshold",
            "ylabel": "Overlap Precision [%]",
            "xlim": (0, 1.0),
            "ylim": (0, 100),
            "title": "Success plot",
        },
    )
    show_figures()
    return files


@dataclass(frozen=True)
class _Truth:
    name: str
    boxes_xywh: np.ndarray
    counted: np.ndarray
    image_wh: tuple[int, int] | None


def read_truth(seq: Any) -> _Truth:
    """The ground truth of a sequence as GOT-10k scores it; BadValue when its boxes are hidden."""
    boxes = np.asarray(seq.ground_truth_rect, dtype=float)
    if boxes.ndim != 2 or len(boxes) < 2:
        raise BadValue(
            f"Sequence '{seq.name}' has {len(boxes)} ground-truth row(s), but average overlap "
            "needs all "
            "frames; results on sets with hidden ground truth are scored by the data set's server"
        )
    counted = (
        np.ones(len(boxes), bool)
        if seq.target_visible is None
        else np.asarray(seq.target_visible, bool)
    )
    folder = (
        Path(seq.frames[0]).parent
        if len(seq.frames) and isinstance(seq.frames[0], str | Path)
        else None
    )
    if folder is not None and (folder / "cover.label").is_file():
        counted = (
            np.atleast_1d(
                load_text_numpy(folder / "cover.label", delimiter=(",", None), dtype=np.float64)
            )
            > 0
        )
    if counted.shape != (len(boxes),):
        raise BadValue(
            f"Sequence '{seq.name}' has {len(boxes)} ground-truth rows but {len(counted)} "
            "visibility "
            f"labels; check the label files in {folder}"
        )
    counted = counted & ~np.isnan(boxes).any(axis=1)
    counted[0] = False
    return _Truth(
        seq.name, boxes, counted, None if folder is None else _image_size(folder, seq.frames[0])
    )


def _image_size(folder: Path, first_frame: str | Path) -> tuple[int, int] | None:
    """Width and height from `meta_info.ini`, which saves opening a frame, else from the first
    frame's header.
    """
    meta = folder / "meta_info.ini"
    if meta.is_file():
        found = re.search(
            r"^resolution:\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)",
            meta.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        if found:
            return int(found[1]), int(found[2])
    try:
        with Image.open(first_frame) as image:
            return image.size
    except (OSError, UnidentifiedImageError):
        return None


def _box_files(tracker: Any, seq: Any) -> list[Path]:
    own = result_file(tracker, seq)
    toolkit = Path(tracker.results_dir) / seq.name
    return [own] if own.is_file() else sorted(toolkit.glob("*_[0-9][0-9][0-9].txt"))


def _judge(runs: Sequence[Any], seq: Any, truth: _Truth) -> tuple[np.ndarray, np.ndarray]:
    """Overlaps of the counted frames and speeds of all timed frames, over all runs and
    repetitions.
    """
    overlaps, speeds = [], []
    for tracker in runs:
        files = _box_files(tracker, seq)
        if not files:
            raise missing_result(tracker, seq)
        for path in files:
            boxes = read_boxes(path)
            if len(boxes) != len(truth.boxes_xywh):
                raise BadValue(
                    f"{path} has {len(boxes)} boxes for {len(truth.boxes_xywh)} frames; "
                    "run the tracker again"
                )
            if np.isnan(boxes).any():
                raise BadValue(f"{path} holds NaN boxes; run the tracker again")
            overlaps.append(
                got10k_iou(boxes[truth.counted], truth.boxes_xywh[truth.counted], truth.image_wh)
            )
        times = files[0].with_name(f"{seq.name}_time.txt")
        if times.is_file():
            seconds = np.asarray(
                load_text(str(times), delimiter=("\t", ",", None), dtype=np.float64)
            ).ravel()
            speeds.append(1.0 / seconds[seconds > 0])
    return np.concatenate(overlaps), np.concatenate(speeds) if speeds else np.empty(0)


def _summary(
    label: str, overlaps: np.ndarray, speeds: np.ndarray, sequences: tuple[Got10kScores, ...] = ()
) -> Got10kScores:
    if len(overlaps):
        # Sorting once gives all 101 counts of frames above a threshold.
        above = len(overlaps) - np.searchsorted(np.sort(overlaps), SUCCESS_THRESHOLDS, side="right")
        ao, curve = float(overlaps.mean()), above / len(overlaps)
    else:
        ao, curve = float("nan"), np.full(len(SUCCESS_THRESHOLDS), np.nan)
    speed = float(speeds.mean()) if len(speeds) else None
    return Got10kScores(label, ao, float(curve[50]), float(curve[75]), speed, curve, sequences)


def _server_report(tracker: Any) -> dict[str, Any]:
    path = Path(environment.env_settings().got_reports_path) / f"{tracker.name}.json"
    if not path.is_file():
        raise MissingFile(
            f"No GOT-10k report {path}; save the server's report of tracker '{tracker.name}' "
            "there, "
            "or correct got_reports_path in pytracking/evaluation/local.py"
        )
    try:
        (report,) = json.loads(path.read_text(encoding="utf-8")).values()
        report = report.get("overall", report)
        if len(report["succ_curve"]) == len(SUCCESS_THRESHOLDS):
            return {"succ_curve": report["succ_curve"], "ao": float(report["ao"])}
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    raise BadValue(
        f"{path} is no GOT-10k report: one entry with 'ao' and a 'succ_curve' of 101 values is "
        "expected"
    )
