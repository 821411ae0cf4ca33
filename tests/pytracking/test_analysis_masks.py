"""Video object segmentation: J, F, statistics over frames, tables and files; and watching result
files.
"""

from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.backend_bases import KeyEvent

from ltr.admin.errors import BadValue, NotConfigured
from ltr.data.image_loader import imwrite_indexed
from pytracking.analysis import evaluate_vos as vos
from pytracking.analysis import playback_results as playback
from pytracking.analysis import vos_utils
from tests.support import analysis as cases


def square(top, left, size=20, value=1, shape=(60, 80)):
    """A label image with one square."""
    mask = np.zeros(shape, np.uint8)
    mask[top : top + size, left : left + size] = value
    return mask


EMPTY = np.zeros((60, 80), np.uint8)


@pytest.mark.parametrize(
    ("fg", "gt", "j", "f"),
    [
        (square(10, 10), square(10, 10), 1, 1),
        (EMPTY, EMPTY, 1, 1),
        (square(10, 10), EMPTY, 0, 0),
        (EMPTY, square(5, 5), 0, 0),
        (square(10, 10), square(10, 20), 1 / 3, None),
        (square(10, 10), square(10, 11), 19 / 21, 1),
        (square(0, 0), square(30, 50), 0, 0),
    ],
    ids=[
        "same",
        "both empty",
        "nothing to find",
        "nothing found",
        "half beside",
        "one pixel off",
        "apart",
    ],
)
def test_jaccard_and_boundary(fg, gt, j, f):
    assert vos_utils.davis_jaccard_measure(fg, gt) == pytest.approx(j)
    assert vos_utils.davis_jaccard_measure_torch(
        torch.tensor(fg), torch.tensor(gt)
    ).item() == pytest.approx(j)
    if f is not None:
        assert vos_utils.davis_f_measure(fg, gt) == f


def test_boundary_threshold():
    """The square's outline lies one pixel further out; a threshold of 1 forgives it, 0.001 of the
    diagonal does, too.
    """
    fg, gt = square(10, 10), square(10, 14)
    values = [vos_utils.davis_f_measure(fg, gt, bound_th) for bound_th in (0.001, 2, 4, 0.04)]
    assert values == sorted(values) and values[0] < 0.6 and values[2:] == [1, 1]


@given(hnp.arrays(bool, (12, 9)), hnp.arrays(bool, (12, 9)), st.integers(1, 4))
def test_boundary_is_symmetric_and_finds_each_pixel(fg, gt, radius):
    f = vos_utils.davis_f_measure(fg, gt, radius)
    assert 0 <= f <= 1 and f == pytest.approx(vos_utils.davis_f_measure(gt, fg, radius))
    outlines = [np.argwhere(vos_utils.seg2bmap(mask)) for mask in (fg, gt)]
    if all(map(len, outlines)):
        distance = np.linalg.norm(outlines[0][:, None] - outlines[1], axis=2)
        parts = [(distance.min(axis) <= radius).mean() for axis in (1, 0)]
        assert f == pytest.approx(2 * parts[0] * parts[1] / max(sum(parts), 1e-9))


def test_outline():
    outline = vos_utils.seg2bmap(square(1, 1, 2, shape=(4, 4)))
    assert outline.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert vos_utils.seg2bmap(square(10, 10), 40, 30).shape == (30, 40)
    with pytest.raises(BadValue, match="keep the aspect ratio"):
        vos_utils.seg2bmap(EMPTY, 40, 60)


def test_masks_of_different_sizes_are_refused():
    with pytest.raises(BadValue, match="write segmentations in the size"):
        vos_utils.davis_jaccard_measure(EMPTY, EMPTY[:30])


@pytest.mark.parametrize(
    ("values", "mean", "recall", "decay"),
    [
        ([1.0] * 4 + [0.0] * 4, 0.5, 0.5, 1.0),
        ([0.5, 0.6], 0.55, 0.5, -0.1),
        ([], np.nan, np.nan, np.nan),
        (np.linspace(1, 0, 400), 0.5, 0.5, 0.75),
        ([np.nan, 1.0], 1.0, 0.5, np.nan),
    ],
    ids=["drop", "two", "none", "more frames than a byte counts", "nan"],
)
def test_statistics(values, mean, recall, decay):
    assert vos_utils.nanmean(values) == pytest.approx(mean, nan_ok=True)
    assert vos_utils.recall(values) == pytest.approx(recall, nan_ok=True)
    assert vos_utils.decay(values) == pytest.approx(decay, abs=2e-3, nan_ok=True)


def test_bar_graph():
    assert vos_utils.text_bargraph([0, 0.5, 1, float("nan")]) == " ▄█·"


@pytest.fixture
def video(tmp_path):
    """A tracker, a video of two objects, the second from frame 2 on, and its annotated masks; every
    other one given.
    """
    frames = [f"{index:05d}.jpg" for index in range(9)]
    truth = [
        square(5, 5) + square(35, 40, value=2) if index >= 2 else square(5, 5) for index in range(9)
    ]
    found = [np.maximum(square(5, 5), square(35, 50, value=2)) for _ in frames]
    tracker = cases.tracker(tmp_path, {})
    folder = tmp_path / "masks/toy/p/bike"
    folder.mkdir(parents=True)
    for frame, mask in zip(frames, found, strict=True):
        imwrite_indexed(folder / f"{frame[:-4]}.png", mask)
    return tracker, SimpleNamespace(
        name="bike",
        frames=frames,
        object_ids=["1", "2"],
        multiobj_mode=True,
        ground_truth_seg=[mask if index % 2 == 0 else None for index, mask in enumerate(truth)],
        init_data={0: {"object_ids": ["1"]}, 2: {"object_ids": ["2"]}},
    )


def test_data_set(video, tmp_path, capsys):
    tracker, seq = video
    overall, objects, frames = vos.evaluate_dataset(
        tracker.segmentation_dir, "toy", sequences=[seq], scores=True
    )
    assert objects["Sequence"].tolist() == ["bike_1", "bike_2"] and list(overall) == [
        "J-Mean",
        "J-Recall",
        "J-Decay",
    ]
    assert {name: len(values) for name, values in frames.items()} == {"bike_1": 3, "bike_2": 2}
    assert objects["J-Mean"].tolist() == [1, 0.333] and overall["J-Mean"].tolist() == [0.667]
    assert "bike_2: J 0.333" in capsys.readouterr().out
    stored = pd.read_csv(tmp_path / "masks/toy/p/toy_per-sequence_results.csv")
    assert stored.equals(objects)


def test_table_and_reuse(video, monkeypatch, capsys, caplog):
    tracker, seq = video
    monkeypatch.setattr(vos, "get_dataset", lambda name: [seq])
    overall, objects = vos.evaluate_vos([tracker], "toy")
    assert "toy p      | 66.70      | 50.00       |" in capsys.readouterr().out
    monkeypatch.setattr(vos, "get_dataset", None)
    again = vos.evaluate_vos([tracker], "toy")
    assert again[0][0].equals(overall[0]) and again[1][0].equals(objects[0]) and not caplog.records
    monkeypatch.setattr(vos, "get_dataset", lambda name: [seq])
    assert list(vos.evaluate_vos([tracker], "toy", measure="F")[0][0]) == [
        "F-Mean",
        "F-Recall",
        "F-Decay",
    ]
    with pytest.raises(BadValue, match="Unknown measure 'G'"):
        vos.evaluate_vos([tracker], "toy", measure="G")


def test_single_object_masks_hold_zero_and_one(video):
    tracker, seq = video
    seq.multiobj_mode, seq.object_ids, seq.init_data = False, ["2"], {0: {"bbox": [0, 0, 1, 1]}}
    for file in sorted((Path(tracker.segmentation_dir) / "bike").iterdir()):
        imwrite_indexed(file, square(35, 40))
    _, objects = vos.evaluate_dataset(
        tracker.segmentation_dir, "toy", sequences=[seq], to_file=False, quiet=True
    )
    assert objects["J-Mean"].tolist() == [1.0]


def test_missing_masks(video):
    tracker, seq = video
    with pytest.raises(
        FileNotFoundError, match=r"no mask .*walk/00000\.png - run the tracker on sequence 'walk'"
    ):
        vos.evaluate_dataset(
            tracker.segmentation_dir,
            "toy",
            sequences=[SimpleNamespace(**{**vars(seq), "name": "walk"})],
        )
    seq.ground_truth_seg = None
    with pytest.raises(BadValue, match="'bike' has no annotated masks"):
        vos.evaluate_dataset(tracker.segmentation_dir, "toy", sequences=[seq])


@pytest.mark.parametrize(
    ("keys", "frame", "step", "paused"),
    [
        ([], 1, 1, False),
        ([" "], 0, 1, True),
        ([" ", "right", "right", "left"], 1, 1, True),
        (["right", "right"], 4, 4, False),
        (["right", "left", "left"], 0, 0, False),
        (["left", "left", "left"], 0, -2, False),
        ([" ", "left"], 0, 1, True),
        (["right"] * 5, 9, 32, False),
    ],
    ids=[
        "play",
        "pause",
        "single frames",
        "faster",
        "standstill",
        "backwards",
        "stays in the sequence",
        "stops at the end",
    ],
)
def test_playback_keys(keys, frame, step, paused):
    display = playback.Display("s1", 10, ["A"])
    for key in keys:
        display.key(key)
    display.advance()
    assert (display.frame_number, display.step, display.paused, display.active) == (
        frame,
        step,
        paused,
        True,
    )
    display.key("escape")
    assert not display.active


def test_playback_shows_all_boxes(tmp_path, monkeypatch):
    """Agg draws into memory; the loop ends when the third frame asks for q."""
    trackers = [
        cases.tracker(tmp_path, {"s1": cases.P}, "A"),
        cases.tracker(tmp_path, {"s1": cases.G}, "B", name="b"),
    ]
    seen = []

    def pause(_):
        seen.append(mpl.pyplot.gcf().axes[0])
        if len(seen) == 3:
            canvas = mpl.pyplot.gcf().canvas
            canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", canvas, "q"))

    monkeypatch.setattr(playback, "is_interactive", lambda: True)
    monkeypatch.setattr(
        playback, "default_image_loader", lambda path: np.zeros((60, 80, 3), np.uint8)
    )
    monkeypatch.setattr(mpl.pyplot, "pause", pause)
    playback.playback_results(trackers, cases.seq())
    assert [patch.get_bbox().bounds for patch in seen[-1].patches] == [
        (15, 10, 20, 20),
        (10, 10, 20, 20),
        (10, 10, 20, 20),
    ]
    assert seen[-1].get_title() == "s1   3 / 10   x1"
    assert [text.get_text() for text in seen[-1].get_legend().get_texts()] == ["A", "B"]
    assert not mpl.pyplot.get_fignums()


def test_playback_refuses(tmp_path):
    one, short = (
        cases.tracker(tmp_path, {"s1": cases.P}),
        cases.tracker(tmp_path, {"s1": cases.G[:4]}, name="b"),
    )
    for trackers, error, message in (
        ([one], NotConfigured, "needs a window"),
        ([], BadValue, "at least one tracker"),
        ([one, short], BadValue, r"differ in length \(.*b/p/s1.txt: 4\)"),
    ):
        with pytest.raises(error, match=message):
            playback.playback_results(trackers, cases.seq())
    with pytest.raises(FileNotFoundError, match="Result not found"):
        playback.playback_results([one], cases.seq("s2"))
