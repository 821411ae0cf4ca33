"""Parity of the evaluation with pytracking's and the got10k toolkit's numbers (golden item 10)."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import calc_seq_err_robust, extract_results
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.scores import data_set_curves, score_columns
from pytracking.evaluation import environment
from pytracking.utils.load_text import read_boxes

PLOTS = ("success", "prec", "norm_prec")


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float), rtol=0, atol=1e-6)


@pytest.fixture(scope="module", params=["seed0"])
def folder(request, shared_dir):
    return shared_dir / "golden" / request.param / "analysis"


@pytest.fixture(scope="module")
def numbers(folder):
    return json.loads((folder / "pytracking_numbers.json").read_text())


@pytest.fixture
def case(folder, numbers, tmp_path, monkeypatch):
    """The golden trackers and sequences, with reports under tmp_path."""
    monkeypatch.setattr(environment, "env_settings", lambda: SimpleNamespace(result_plot_path=str(tmp_path)))
    sequences = [
        SimpleNamespace(
            name=seq["name"], dataset=seq["dataset"], frames=["f"] * seq["length"],
            ground_truth_rect=np.loadtxt(folder / "gt" / f"{seq['name']}.txt", delimiter=","),
            target_visible=(np.loadtxt(folder / "visible" / f"{seq['name']}.txt") > 0
                            if seq["uses_target_visible"] else None),
        )
        for seq in numbers["sequences"]
    ]
    trackers = [tracker(folder / "pytracking_results" / name / (param if run is None else f"{param}_{run:03d}"),
                        name, param, run) for name, param, run in numbers["trackers"]]
    return trackers, sequences


def tracker(results_dir, name, param="default", run_id=None):
    return SimpleNamespace(name=name, parameter_name=param, run_id=run_id, display_name=None,
                           results_dir=str(results_dir))


@pytest.mark.parametrize("setting", ["default", "exclude_invalid_frames"])
def test_every_number_of_pytracking(case, numbers, setting):
    eval_data = extract_results(*case, "r", exclude_invalid_frames=setting != "default", verbose=False)
    golden = numbers[setting]
    for key in ("threshold_set_overlap", "avg_overlap_all", "ave_success_rate_plot_overlap",
                "ave_success_rate_plot_center", "ave_success_rate_plot_center_norm"):
        close(eval_data[key], golden[key])
    for data, summary in [(eval_data, golden["summary"]),
                          (pr.merge_multiple_runs(eval_data), golden["merged_summary"])]:
        assert [[t["name"], t["param"], t["run_id"]] for t in data["trackers"]] == summary["trackers"]
        columns = score_columns(data, PLOTS)
        for ours, theirs in zip(columns, ("AUC", "OP50", "OP75", "Precision", "NormPrecision"), strict=True):
            close(columns[ours], summary[theirs])
        for plot_type, theirs in zip(PLOTS, ("success_curve", "precision_curve", "norm_precision_curve"), strict=True):
            close(data_set_curves(data, plot_type).curves_TB, summary[theirs])


def test_errors_of_every_frame(case, numbers):
    example, (trackers, sequences) = numbers["per_frame_example"], case
    trk = next(t for t in trackers if [t.name, t.parameter_name, t.run_id] == example["tracker"])
    seq = next(s for s in sequences if s.name == example["seq"])
    pred = torch.as_tensor(read_boxes(f"{trk.results_dir}/{seq.name}.txt"))
    errors = calc_seq_err_robust(pred, torch.as_tensor(seq.ground_truth_rect), seq.dataset, seq.target_visible)
    for ours, key in zip(errors, ("overlap", "center", "center_norm", "valid"), strict=True):
        close(ours, example[key])


@pytest.mark.parametrize(("merge", "key"), [(False, "print_results_text"), (True, "print_results_text_merged")])
def test_printed_table(case, numbers, capsys, merge, key):
    name = numbers[key].split()[7]
    pr.print_results(*case, name, merge_results=merge, plot_types=PLOTS, verbose=False)
    assert capsys.readouterr().out == numbers[key]


@pytest.fixture(scope="module")
def got10k(folder):
    folder = folder / "got10k"
    names = (folder / "data/val/list.txt").read_text().split()
    sequences = [
        SimpleNamespace(name=name, dataset="got10k", target_visible=None,
                        frames=[str(folder / "data/val" / name / "00000001.jpg")],
                        ground_truth_rect=np.loadtxt(folder / "data/val" / name / "groundtruth.txt", delimiter=","))
        for name in names
    ]
    return folder, json.loads((folder / "numbers.json").read_text()), sequences


def check_got10k(table, golden):
    for ours, (label, theirs) in zip(table, golden.items(), strict=True):
        overall = theirs["overall"]
        assert ours.label.startswith(label)
        close([ours.ao, ours.sr50, ours.sr75, ours.speed_fps],
              [overall["ao"], overall["sr"], overall["succ_curve"][75], overall["speed_fps"]])
        close(ours.success_curve, overall["succ_curve"])
        assert {s.label for s in ours.sequences} == theirs["seq_wise"].keys()
        for seq in ours.sequences:
            numbers = theirs["seq_wise"][seq.label]
            close([seq.ao, seq.sr50, seq.speed_fps], [numbers["ao"], numbers["sr"], numbers["speed_fps"]])


def test_got10k_toolkit_layout(got10k):
    folder, golden, sequences = got10k
    trackers = [tracker(folder / "results/GOT-10k" / name, name) for name in golden]
    check_got10k(got10k_table(trackers, sequences), golden)


def test_got10k_from_our_layout_with_runs_pooled(got10k, tmp_path):
    folder, golden, sequences = got10k
    trackers = []
    for name in golden:
        repetitions = sorted({path.stem[-3:] for path in (folder / "results/GOT-10k" / name).glob("*/*_0*.txt")})
        for run, repetition in enumerate(repetitions):
            trackers.append(tracker(tmp_path / f"{name}_{run}", name, run_id=run))
            (tmp_path / f"{name}_{run}").mkdir()
            for seq in sequences:
                source = folder / "results/GOT-10k" / name / seq.name
                boxes = np.loadtxt(source / f"{seq.name}_{repetition}.txt", delimiter=",")
                np.savetxt(tmp_path / f"{name}_{run}" / f"{seq.name}.txt", boxes, delimiter="\t", fmt="%.3f")
                (tmp_path / f"{name}_{run}" / f"{seq.name}_time.txt").write_text(
                    (source / f"{seq.name}_time.txt").read_text())
    check_got10k(got10k_table(trackers, sequences, merge_results=True), golden)
