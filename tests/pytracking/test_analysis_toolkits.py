"""Other toolkits' numbers on the same result files: GOT-10k (also against its package), pysot, and
all side by side.
"""

import json

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.geometry.array_boxes import got10k_iou
from pytracking.analysis import plot_results as pr
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.pysot import pysot_table
from pytracking.analysis.toolkits import toolkit_rows
from tests.support import analysis as cases
from tests.support.analysis import HALF, G, P, seq

pytestmark = pytest.mark.usefixtures("plots")


def test_got10k_skips_first_hidden_and_nan_frames(new):
    vis, gt = np.array([1, 1, 1, 0, 1], bool), G[:5].copy()
    gt[4] = np.nan
    (row,) = got10k_table([new({"s1": G[:5] * [9, 9, 1, 1]})], [seq(gt=gt, vis=vis)])
    assert (row.ao, row.sr50, row.speed_fps) == (0.0, 0.0, None)
    (row,) = got10k_table(
        [new({"s1": np.vstack([G[:1] * 9, P[1:3], G[3:5] * 9])})], [seq(gt=gt, vis=vis)]
    )
    assert row.ao == pytest.approx(0.6) and (row.sr50, row.sr75, len(row.success_curve)) == (
        1.0,
        0.0,
        101,
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 10, 10], 1.0),
        ([-5, 0, 10, 10], 1.0),
        ([0, 0, 10, 30], 0.5),
        ([50, 50, 5, 5], 0.0),
    ],
    ids=["same", "shifted inside", "cut at the bottom", "outside"],
)
def test_got10k_overlap_fits_boxes_to_the_image(box, expected):
    overlap = got10k_iou(np.array([box], float), np.array([[0.0, 0, 10, 10]]), (20, 20))
    assert overlap[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("result", "gt", "message"),
    [
        ({}, G, "Result not found"),
        ({"s1": G[:4]}, G, "has 4 boxes for 10 frames"),
        ({"s1": G}, G[:1], "scored by the"),
    ],
    ids=["no result", "too short", "hidden ground truth"],
)
def test_got10k_unusable_input(new, result, gt, message):
    with pytest.raises(BadInput, match=message):
        got10k_table([new(result)], [seq(gt=gt)])


@pytest.mark.parametrize("nested", [True, False])
def test_got10k_server_report(new, tmp_path, nested):
    (tmp_path / "got").mkdir()
    entry = {"ao": 0.5, "succ_curve": [1.0] * 101}
    (tmp_path / "got/toy.json").write_text(
        json.dumps({"any": {"overall": entry} if nested else entry})
    )
    assert [path.name for path in pr.plot_got_success([new({})], "r")] == [
        "success_plot.pdf",
        "success_plot.png",
    ]
    with pytest.raises(FileNotFoundError, match=r"other\.json"):
        pr.plot_got_success([new({}, name="other")], "r")


def test_got10k_equals_its_package(tmp_path, monkeypatch):
    """Random boxes, some outside the image, covered frames and two repetitions, scored by the
    got10k package and by us.
    """
    experiments = pytest.importorskip(
        "got10k.experiments", reason="the package got10k is not installed"
    )
    data, results, rng = (
        tmp_path / "data/val",
        tmp_path / "results/GOT-10k/trk",
        np.random.default_rng(0),
    )
    sequences = []
    for name in ("GOT-10k_Val_000001", "GOT-10k_Val_000002"):
        truth = np.column_stack(
            [rng.uniform(-10, 80, (30, 2)), rng.uniform(10, 60, (30, 2))]
        ).round(4)
        cover = rng.integers(0, 9, 30)
        for folder in (data / name, results / name):
            folder.mkdir(parents=True)
        np.savetxt(data / name / "groundtruth.txt", truth, fmt="%.4f", delimiter=",")
        np.savetxt(data / name / "cover.label", cover, fmt="%d")
        for label in ("absence", "cut_by_image"):
            np.savetxt(data / name / f"{label}.label", np.zeros(30), fmt="%d")
        (data / name / "meta_info.ini").write_text("[METAINFO]\nresolution: (100, 80)\n")
        for frame in range(30):
            (data / name / f"{frame + 1:08d}.jpg").touch()
        for repetition in (1, 2):
            boxes = truth + rng.normal(0, 6, truth.shape) * (np.arange(30) > 0)[:, None]
            np.savetxt(
                results / name / f"{name}_{repetition:03d}.txt", boxes, fmt="%.3f", delimiter=","
            )
        np.savetxt(
            results / name / f"{name}_time.txt",
            rng.uniform(0.01, 0.1, (30, 2)),
            fmt="%.8f",
            delimiter=",",
        )
        sequences.append(seq(name, "got10k", truth))
        sequences[-1].frames = [str(data / name / f"{frame + 1:08d}.jpg") for frame in range(30)]
    (data / "list.txt").write_text("\n".join(one.name for one in sequences))
    experiment = experiments.ExperimentGOT10k(
        str(tmp_path / "data"),
        subset="val",
        result_dir=str(tmp_path / "results"),
        report_dir=str(tmp_path / "reports"),
    )
    monkeypatch.setattr(experiment, "plot_curves", lambda *_: None)
    theirs = experiment.report(["trk"])["trk"]["overall"]
    tracker = cases.tracker(tmp_path, {})
    tracker.results_dir = str(results)
    (ours,) = got10k_table([tracker], sequences)
    assert 0.2 < ours.ao < 0.9
    assert (ours.ao, ours.sr50, ours.speed_fps) == pytest.approx(
        (theirs["ao"], theirs["sr"], theirs["speed_fps"]), rel=0, abs=1e-9
    )
    assert ours.success_curve == pytest.approx(np.array(theirs["succ_curve"]), abs=1e-12)


@pytest.mark.parametrize(
    ("result", "sequence", "expected"),
    [
        (G, seq(), [20 / 21, 1, 1]),
        (P, seq(), [0.6095, 1, 0.1]),
        (G * [0, 1, 1, 1], seq(gt=G * [0, 1, 1, 1]), [0, 1, 1]),
        (G, seq(gt=G * [-1, 1, 1, 1]), [0, 1, 1]),
        (G, seq(tag="lasot", vis=HALF), [10 / 21, 0.5, 0.5]),
        (G, seq(vis=HALF), [20 / 21, 1, 1]),
    ],
    ids=[
        "perfect",
        "shifted",
        "x = 0 fails only the overlap",
        "centre outside is a hit",
        "hidden on lasot",
        "hidden elsewhere",
    ],
)
def test_pysot_scores(new, result, sequence, expected):
    (row,) = pysot_table([new({"s1": result})], [sequence])
    assert (row.auc, row.precision, row.norm_precision) == pytest.approx(expected, abs=1e-4)


def test_pysot_runs_and_unusable_input(new):
    runs = [new({"s1": G}, run_id=0), new({"s1": P}, run_id=1)]
    (row,) = pysot_table(runs, [seq(), seq("s2")], merge_results=True, skip_missing_seq=True)
    assert row.auc == pytest.approx(0.78095, abs=1e-4) and [one.label for one in row.sequences] == [
        "s1"
    ]
    with pytest.raises(FileNotFoundError, match="Result not found"):
        pysot_table(runs, [seq("s2")])
    with pytest.raises(BadValue, match=r"each of the 10 frames, there are 4 \(sequence 's1'"):
        pysot_table([new({"s1": G[:4]})], [seq()])
    with pytest.raises(BadValue, match="at least one tracker"):
        pysot_table(runs, [seq("s2")], skip_missing_seq=True)


def test_toolkits_side_by_side(new, caplog):
    trackers = [new({"s1": P}, "A"), new({"s1": G}, "B", name="b")]
    rows = {
        row.label: dict(row.scores) for row in toolkit_rows(trackers, [seq()], "r", verbose=False)
    }
    assert list(rows) == [
        f"{name} ({kit})"
        for name in "AB"
        for kit in ("pytracking", "pytracking corrected", "pysot", "GOT-10k")
    ]
    assert rows["A (pytracking)"] == pytest.approx(
        {"AUC": 60.95, "AO": 64, "OP50": 100, "OP75": 10, "Precision": 100, "Norm Precision": 10},
        abs=0.01,
    )
    assert rows["B (pytracking corrected)"]["AUC"] == 100 and rows["B (pysot)"][
        "AUC"
    ] == pytest.approx(95.238, abs=0.01)
    assert rows["A (GOT-10k)"] == pytest.approx({"AO": 60, "OP50": 100, "OP75": 0})
    short = [new({"s1": G[:6]}, "C", name="c")]
    assert [row.label for row in toolkit_rows(short, [seq()], "r2", verbose=False)] == [
        "C (pytracking)",
        "C (pytracking corrected)",
    ]
    assert "pysot is left out" in caplog.text and "GOT-10k is left out" in caplog.text
