"""Evaluation numbers of pytracking, of the got10k toolkit and of pysot."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch

from pytracking.analysis import plot_results
from pytracking.analysis.extract_results import calc_seq_err_robust, extract_results
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.pysot import pysot_table
from pytracking.analysis.scores import data_set_curves, score_columns
from pytracking.evaluation import environment
from pytracking.utils.load_text import read_boxes
from tests.golden.checks.places import temporary_folder
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden

PLOTS = ("success", "prec", "norm_prec")
CURVES = ("success_curve", "precision_curve", "norm_precision_curve")
SCORES = ("AUC", "OP50", "OP75", "Precision", "NormPrecision")
FILES = (
    "analysis/pytracking_numbers.json",
    "analysis/gt",
    "analysis/visible",
    "analysis/pytracking_results",
)


@contextlib.contextmanager
def _reports() -> Iterator[None]:
    """The folder that the evaluation keeps its results in."""
    with (
        temporary_folder() as folder,
        mock.patch.object(
            environment, "env_settings", lambda: SimpleNamespace(result_plot_path=str(folder))
        ),
    ):
        yield


def _case(golden: Golden) -> tuple[dict[str, Any], list, list]:
    """The reference's numbers, trackers and sequences."""
    folder, numbers = golden.path("analysis"), golden.json("analysis/pytracking_numbers.json")
    sequences = [
        SimpleNamespace(
            name=seq["name"],
            dataset=seq["dataset"],
            frames=["f"] * seq["length"],
            ground_truth_rect=np.loadtxt(folder / "gt" / f"{seq['name']}.txt", delimiter=","),
            target_visible=np.loadtxt(folder / "visible" / f"{seq['name']}.txt") > 0
            if seq["uses_target_visible"]
            else None,
        )
        for seq in numbers["sequences"]
    ]
    trackers = [
        _tracker(
            folder / "pytracking_results" / name / (param if run is None else f"{param}_{run:03d}"),
            name,
            param,
            run,
        )
        for name, param, run in numbers["trackers"]
    ]
    return numbers, trackers, sequences


def _tracker(
    results_dir: Path, name: str, param: str = "default", run: int | None = None
) -> SimpleNamespace:
    return SimpleNamespace(
        name=name, parameter_name=param, run_id=run, display_name=None, results_dir=str(results_dir)
    )


@check("analysis_pytracking_{}", *FILES, variants=["default", "exclude_invalid_frames"])
def pytracking_numbers(golden: Golden, compare: Comparison, setting: str) -> None:
    """Curves and scores of all trackers, and with runs merged."""
    numbers, trackers, sequences = _case(golden)
    theirs = numbers[setting]
    with _reports():
        data = extract_results(
            trackers, sequences, "r", exclude_invalid_frames=setting != "default", verbose=False
        )
    for key in (
        "threshold_set_overlap",
        "avg_overlap_all",
        "ave_success_rate_plot_overlap",
        "ave_success_rate_plot_center",
        "ave_success_rate_plot_center_norm",
    ):
        compare.close("curves of sequences", data[key], theirs[key])
    merged = plot_results.merge_multiple_runs(data)
    for what, ours, summary in (
        ("runs", data, theirs["summary"]),
        ("merged runs", merged, theirs["merged_summary"]),
    ):
        compare.equal(
            "trackers",
            [[t["name"], t["param"], t["run_id"]] for t in ours["trackers"]],
            summary["trackers"],
        )
        columns = score_columns(ours, PLOTS)
        for column, score in zip(columns, SCORES, strict=True):
            compare.close(f"scores of {what}", columns[column], summary[score])
        for plot, curve in zip(PLOTS, CURVES, strict=True):
            compare.close(
                f"curves of {what}", data_set_curves(ours, plot).curves_TB, summary[curve]
            )


@check("analysis_pytracking_frames", *FILES)
def frame_errors(golden: Golden, compare: Comparison) -> None:
    """Overlap and distances of every frame of one sequence."""
    numbers, trackers, sequences = _case(golden)
    example = numbers["per_frame_example"]
    tracker = next(
        t for t in trackers if [t.name, t.parameter_name, t.run_id] == example["tracker"]
    )
    seq = next(s for s in sequences if s.name == example["seq"])
    boxes = torch.as_tensor(read_boxes(f"{tracker.results_dir}/{seq.name}.txt"))
    errors = calc_seq_err_robust(
        boxes, torch.as_tensor(seq.ground_truth_rect), seq.dataset, seq.target_visible
    )
    for ours, key in zip(errors, ("overlap", "center", "center_norm", "valid"), strict=True):
        compare.close(key, ours, example[key], float64=True)


@check("analysis_pytracking_table", *FILES)
def printed_table(golden: Golden, compare: Comparison) -> None:
    """The table on stdout, letter by letter."""
    numbers, trackers, sequences = _case(golden)
    for merge, key in ((False, "print_results_text"), (True, "print_results_text_merged")):
        name = numbers[key].split()[7]
        with _reports(), contextlib.redirect_stdout(io.StringIO()) as out:
            plot_results.print_results(
                trackers, sequences, name, merge_results=merge, plot_types=PLOTS, verbose=False
            )
        compare.equal("merged runs" if merge else "runs", out.getvalue(), numbers[key])


@check("analysis_got10k_{}", "analysis/got10k", variants=["toolkit_files", "our_files"])
def got10k(golden: Golden, compare: Comparison, layout: str) -> None:
    """AO, SR, speed and success curve; results in the toolkit's files, and in ours with a run for
    each repetition.
    """
    folder, numbers = golden.path("analysis/got10k"), golden.json("analysis/got10k/numbers.json")
    names = (folder / "data/val/list.txt").read_text().split()
    sequences = [
        SimpleNamespace(
            name=name,
            dataset="got10k",
            target_visible=None,
            frames=[str(folder / "data/val" / name / "00000001.jpg")],
            ground_truth_rect=np.loadtxt(
                folder / "data/val" / name / "groundtruth.txt", delimiter=","
            ),
        )
        for name in names
    ]
    results = {name: folder / "results/GOT-10k" / name for name in numbers}
    with temporary_folder() as copies:
        if layout == "toolkit_files":
            table = got10k_table(
                [_tracker(path, name) for name, path in results.items()], sequences
            )
        else:
            runs = [
                _tracker(path, name, run=run)
                for name in numbers
                for run, path in enumerate(_as_ours(results[name], copies / name, names))
            ]
            table = got10k_table(runs, sequences, merge_results=True)
    compare.equal(
        "trackers", [row.label.split("_")[0].split(" ")[0] for row in table], list(numbers)
    )
    for row, theirs in zip(table, numbers.values(), strict=True):
        overall = theirs["overall"]
        compare.close(
            "AO, SR, speed",
            [row.ao, row.sr50, row.sr75, row.speed_fps],
            [overall["ao"], overall["sr"], overall["succ_curve"][75], overall["speed_fps"]],
            float64=True,
        )
        compare.close("success curve", row.success_curve, overall["succ_curve"], float64=True)
        compare.equal(
            "sequences", sorted(seq.label for seq in row.sequences), sorted(theirs["seq_wise"])
        )
        for seq in row.sequences:
            compare.close(
                "AO, SR, speed of sequences",
                [seq.ao, seq.sr50, seq.speed_fps],
                [theirs["seq_wise"][seq.label][key] for key in ("ao", "sr", "speed_fps")],
                float64=True,
            )


def _as_ours(results: Path, target: Path, names: list[str]) -> list[Path]:
    """Write the toolkit's results of one tracker as pytracking does, each repetition as a run;
    returns the folders.
    """
    runs = []
    for number in sorted({path.stem[-3:] for path in results.glob("*/*_0*.txt")}):
        runs.append(target / number)
        runs[-1].mkdir(parents=True)
        for name in names:
            boxes = np.loadtxt(results / name / f"{name}_{number}.txt", delimiter=",")
            np.savetxt(runs[-1] / f"{name}.txt", boxes, delimiter="\t", fmt="%.3f")
            (runs[-1] / f"{name}_time.txt").write_text(
                (results / name / f"{name}_time.txt").read_text()
            )
    return runs


@check("analysis_pysot_{}", "analysis/pysot", variants=["LaSOT", "OTB100"])
def pysot(golden: Golden, compare: Comparison, data_set: str) -> None:
    """Success, precision and normalised precision of data sets, and the curves of each sequence."""
    folder = golden.path("analysis/pysot")
    theirs, videos = (
        golden.json("analysis/pysot/numbers.json")[data_set],
        golden.json("analysis/pysot/seq_file.json"),
    )
    sequences = [
        SimpleNamespace(
            name=name,
            dataset="lasot" if data_set == "LaSOT" else "otb",
            ground_truth_rect=np.array(video["gt_rect"], float),
            target_visible=np.array(video["absent"]) == 1,
        )
        for name, video in videos.items()
    ]
    table = pysot_table([_tracker(folder / "results" / name, name) for name in theirs], sequences)
    for row, numbers in zip(table, theirs.values(), strict=True):
        keys = ("Success(AUC)", "Precision@20", "NormPrecision@0.20")
        compare.close(
            "scores",
            [row.auc, row.precision, row.norm_precision],
            [numbers[key] for key in keys],
            float64=True,
        )
        for seq in row.sequences:
            for curve in ("success", "precision", "norm_precision"):
                compare.close(
                    "curves of sequences",
                    getattr(seq, f"{curve}_curve"),
                    numbers["per_video"][seq.label][curve],
                    float64=True,
                )
