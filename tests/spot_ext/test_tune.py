"""`spot tune`: on four small videos whose target moves two pixels a frame to the right, with a
tracker that has a speed.
"""

import builtins
import importlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ltr.admin.errors import BadInput
from ltr.io import plugins
from pytracking.evaluation import get_dataset
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.base import MatchingTracker
from pytracking.utils import TrackerParams
from spot_ext import __main__ as command
from spot_ext.studies.evaluate import score_rows
from spot_ext.tuning import Search, output_cache, track_trials, tune
from spot_ext.tuning import workers as tune_workers

pytest.importorskip("optuna", reason="tune needs the package optuna")

TRACKER = """
from pytracking.tracker.base import BaseTracker
class Drift(BaseTracker):
    tunable = {"speed": (0.0, 4.0)}
    def __init__(self, params):
        super().__init__(params)
        self.speed, self.name = params.get("speed", 0.5), "drift"
    def initialize(self, image, info):
        self.box = list(info["init_bbox"])
    def track(self, image, info=None):
        self.box[0] += self.speed
        return {"target_bbox": list(self.box)}
def get_tracker_class():
    return Drift
"""
PARAMETERS = """
from pytracking.utils import TrackerParams
def parameters():
    params = TrackerParams()
    VALUES
    return params
"""
FILES = {
    "plain": "pass",
    "best": "params.speed = 2.0",
    "own": "params.per_dataset = {'toy': {'speed': 1.0}}",
    "words": "params.speed = 'fast'",
}


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    for kind, files in (
        ("tracker", {"__init__": TRACKER}),
        ("parameter", {name: PARAMETERS.replace("VALUES", text) for name, text in FILES.items()}),
    ):
        (folder / kind / "tune_drift").mkdir(parents=True)
        for name, text in files.items():
            (folder / kind / "tune_drift" / f"{name}.py").write_text(text)
    plugins.activate([folder])
    return folder


@pytest.fixture(autouse=True)
def configured(tree, tmp_path, monkeypatch):
    """The `tree` of conftest is the data set toy_train."""
    (tmp_path / "local.py").write_text(f"""from pytracking.evaluation.environment import EnvSettings
def local_env_settings():
    settings = EnvSettings()
    settings.toy_path, settings.result_plot_path = {str(tmp_path)!r}, {str(tmp_path / "plots")!r}
    settings.results_path = {str(tmp_path / "results")!r}
    return settings
""")
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    output_cache.memory.clear()


def searched(folder: Path, trials: int = 10, **changes) -> tuple:
    """The finding, and numbers and values of all trials in order."""
    lines = []
    workers = changes.pop("workers", 0)
    finding = tune(
        Search(
            **{"tracker": "tune_drift", "parameter": "plain", "dataset": "toy_train", **changes}
        ),
        folder,
        trials,
        workers,
        say=lines.append,
    )
    return finding, [line.partition("   best")[0] for line in lines if line.startswith("trial")]


def test_command_finds_the_speed_writes_a_file_that_runs_and_scores_as_said(
    plugin, tmp_path, capsys
):
    out = plugin / "parameter/tune_drift/found.py"
    arguments = [
        "tune",
        "tune_drift",
        "plain",
        "--dataset",
        "toy_train",
        "--trials",
        "24",
        "--metric",
        "ao",
    ]
    assert command.main([*arguments, "--out", str(out)]) is None
    text = capsys.readouterr().out
    assert "trial   0  AO" in text and "speed 0.5  (default)" in text and "Best: trial" in text
    stopped = [
        line for line in text.splitlines() if line.startswith("trial") and "given up" in line
    ]
    assert 0 < len(stopped) < 16 and f"(24 trials, {len(stopped)} given up early)" in text
    assert out.read_text() in text

    importlib.invalidate_caches()
    tracker = Tracker("tune_drift", "found")
    assert 1.6 < tracker.get_parameters().speed < 2.4
    dataset = get_dataset("toy_train")
    assert not run_dataset(dataset, [tracker], quiet=True)
    (row,) = score_rows([tracker], dataset, "tuned")
    assert f"AO {row.scores['AO']:.2f} on toy_train" in out.read_text()

    assert (
        command.main([*arguments, "--out", str(out)]) is None
    )  # finished: nothing is tracked again, all is said again
    again = capsys.readouterr().out
    assert "trial   0  AO" not in again and out.read_text() in again


@pytest.mark.parametrize("metric", ["auc", "ao"])
@pytest.mark.parametrize("parameter", ["plain", "best", "own"])
def test_default_score_is_what_the_harness_measures(tmp_path, metric, parameter):
    dataset = get_dataset("toy_train")
    tracker = Tracker("tune_drift", parameter)
    assert not run_dataset(dataset, [tracker], quiet=True)
    (row,) = score_rows([tracker], dataset, "default")
    finding, _ = searched(tmp_path / "run", 1, metric=metric, parameter=parameter)
    assert finding.default.score == pytest.approx(row.scores[metric.upper()], abs=1e-4)
    assert finding.default.values == {"speed": {"plain": 0.5, "best": 2.0, "own": 1.0}[parameter]}


def test_same_seed_same_trials_and_another_seed_others(tmp_path):
    first, other, third = (
        searched(tmp_path / name, seed=seed)[1] for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert (
        first == other
        and first[0] == third[0]
        and not set(first[1:]) & set(third[1:])
        and len(set(first)) == 10
    )


@pytest.mark.slow  # starts processes
def test_processes_find_the_same(tmp_path):
    assert searched(tmp_path / "two", workers=2)[1] == searched(tmp_path / "none")[1]


def test_interrupted_search_goes_on_and_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    """A group is 8 trials, each scored on 4 sequences unless given up."""
    original, seen, stop = tune_workers.sequence_part, [], []

    def counted(metric, boxes, seq):
        seen.append(seq.name)
        if len(seen) in stop:
            raise KeyboardInterrupt
        return original(metric, boxes, seq)

    monkeypatch.setattr(tune_workers, "sequence_part", counted)
    whole, expected = searched(tmp_path / "whole")
    needed = len(seen)
    for calls in (
        1,
        14,
        33,
    ):  # at once, within a sequence of the first group, and in the second group
        seen.clear()
        stop[:] = [calls]
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path / f"run{calls}")
        finding, lines = searched(tmp_path / f"run{calls}")
        assert (
            finding == whole
            and lines == expected[-len(lines) :]
            and len(lines) == (10 if calls < 32 else 2)
        )
        assert needed < len(seen) <= needed + 8  # one sequence is tracked again


def test_a_larger_number_of_trials_continues(tmp_path):
    _, first = searched(tmp_path / "run", 8)
    finding, more = searched(tmp_path / "run", 10)
    assert (
        finding.trials == 10
        and len(more) == 2
        and first + more == searched(tmp_path / "other", 10)[1]
    )


def test_nothing_better_is_said(capsys, tmp_path):
    command.main(
        [
            "tune",
            "tune_drift",
            "best",
            "--dataset",
            "toy_train",
            "--trials",
            "9",
            "--sequences",
            "2",
            "--run",
            str(tmp_path / "run"),
        ]
    )
    text = capsys.readouterr().out
    assert "Nothing is better than the default values: AUC" in text and "params.speed = 2.0" in text
    assert "(2 sequences)" in text and "none was better" in text


@pytest.mark.parametrize(
    ("parameter", "flags"), [("own", []), ("plain", ["--per-dataset"])], ids=["own", "asked for"]
)
def test_values_for_one_data_set_only(plugin, parameter, flags, tmp_path):
    out = plugin / f"parameter/tune_drift/{parameter}_tuned.py"
    command.main(
        [
            "tune",
            "tune_drift",
            parameter,
            "--dataset",
            "toy_train",
            "--trials",
            "8",
            *flags,
            "--out",
            str(out),
        ]
    )
    importlib.invalidate_caches()
    params = Tracker("tune_drift", out.stem).get_parameters()
    assert not params.has("speed") and params.for_dataset("otb").get("speed", None) is None
    assert params.for_dataset("toy").speed > 1.0


def test_values_of_a_data_set_leave_the_others_alone():
    params = TrackerParams()
    params.speed, params.per_dataset = 1, {"otb": {"speed": 2, "more": 3}, "nfs": 4}
    assert vars(params.for_dataset("otb")) == {**vars(params), "speed": 2, "more": 3}
    assert (
        vars(params.for_dataset("uav")) == vars(params)
        and vars(TrackerParams().for_dataset("otb")) == {}
    )
    with pytest.raises(BadInput, match=r"per_dataset\['nfs'\] must be a dict"):
        params.for_dataset("nfs")


MISTAKES = {
    "metric": (["--metric", "aus"], "metric 'aus' is not known, did you mean 'auc'"),
    "data set": (["--dataset", "toy_trian"], "did you mean 'toy_train'"),
    "too many sequences": (["--sequences", "5"], "toy_train has 4 sequences"),
    "no trials": (["--trials", "0"], "--trials 0: give at least 1"),
    "unknown parameter": (["--search", "sped"], "did you mean 'speed'"),
    "no range": (["--search", "speed=3"], "give a range of numbers"),
    "range upside down": (["--search", "speed=3:1"], "from a lower to a higher"),
    "not a number of the tracker": (
        ["--search", "name=1:2"],
        "no number to search from; set params.name",
    ),
    "out is no parameter file": (["--out", "tuned.txt"], "give a parameter file"),
    "out is somebody's": (["--out", str(Path(__file__))], "was not written by this toolkit"),
}


@pytest.mark.parametrize(("flags", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_one_sentence(flags, message):
    with pytest.raises(BadInput, match=message) as caught:
        command.main(
            ["tune", "tune_drift", "plain", "--dataset", "toy_train", "--trials", "1", *flags]
        )
    assert "\n" not in str(caught.value)


def test_words_cannot_be_searched(tmp_path):
    with pytest.raises(BadInput, match="parameter 'speed' of tune_drift words is 'fast'"):
        searched(tmp_path, parameter="words")


def test_a_folder_keeps_one_search(tmp_path):
    searched(tmp_path / "run", 1)
    with pytest.raises(BadInput, match=r"another metric .auc there, ao now.; give another --run"):
        searched(tmp_path / "run", 1, metric="ao")


def images_of(tree):
    return sorted((tree / "video_01").glob("*.jpg"))


def replace_images(tree):
    for image in images_of(tree):
        Image.new("RGB", (128, 96), (200, 0, 0)).save(image)


def move_boxes(tree):
    boxes = tree / "video_01/groundtruth.txt"
    boxes.write_text(boxes.read_text().replace(",", ",1", 1))


CHANGES = {
    "other pictures": (replace_images, True),
    "other boxes": (move_boxes, True),
    "new times": (lambda tree: [os.utime(image, (1, 1)) for image in images_of(tree)], False),
}


@pytest.mark.parametrize(("change", "is_refused"), CHANGES.values(), ids=CHANGES)
def test_scores_are_bound_to_frames_and_boxes(tree, tmp_path, change, is_refused):
    searched(tmp_path / "run", 1)
    change(tree)
    if is_refused:
        with pytest.raises(BadInput, match="other frames or boxes of video_01; its scores are"):
            searched(tmp_path / "run", 2)
    else:
        assert len(searched(tmp_path / "run", 2)[1]) == 1


def test_a_study_of_an_earlier_version_goes_on_and_is_bound_from_then_on(tree, tmp_path):
    searched(tmp_path / "run", 1)
    storage = f"sqlite:///{tmp_path / 'run/study.db'}"
    stored = importlib.import_module("optuna").load_study(study_name="tune", storage=storage)
    description = stored.user_attrs["search"]
    stored.set_user_attr("search", {k: v for k, v in description.items() if k != "frames"})
    searched(tmp_path / "run", 2)
    replace_images(tree)
    with pytest.raises(BadInput, match="other frames"):
        searched(tmp_path / "run", 3)


def test_without_optuna_one_sentence(tmp_path, monkeypatch):
    original = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "optuna":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BadInput, match=r"tune needs the package optuna: .*pip install .*\[tune\]"):
        searched(tmp_path, 1)


class SeenNet(torch.nn.Module):
    """Answers with the mean grey of the crop, and counts what it was shown."""

    template_sz, search_sz = 8, 16

    def __init__(self):
        super().__init__()
        self.shown = []

    def template(self, z):
        self.zf = z.clone()

    def track(self, x):
        return self.match(self.zf, x)

    def match(self, templates, x):
        self.shown.append(len(x))
        return {"mean": x.mean((1, 2, 3)) + templates.mean((1, 2, 3))}


class Stepper(MatchingTracker):
    """Moves right by `step`, and down by what the network says, so that boxes agree as long as the
    steps do.
    """

    def template_side(self):
        return 8.0

    search_side = template_side

    @staticmethod
    def read(outputs):
        return outputs["mean"].reshape(-1, 1, 1)

    def follow(self, table, image_shape):
        step = np.array([self.params.step, float(table[0, 0])])
        return {"target_bbox": self._move(self.center_pos + step, self.size, image_shape)}


def stepping(monkeypatch) -> tuple[Tracker, SeenNet]:
    net, tracker = SeenNet(), Tracker("tune_drift", "plain")

    def parameters():
        params = TrackerParams()
        params.net = NetWithBackbone("none", use_gpu=False)
        params.net.net = net
        return params

    monkeypatch.setattr(tracker, "get_parameters", parameters)
    monkeypatch.setattr(tracker, "tracker_class", Stepper)
    monkeypatch.setattr(
        output_cache.copy, "copy", lambda thing: thing
    )  # all trackers keep one net, so that it can count
    return tracker, net


def test_equal_crops_are_computed_once_and_boxes_are_the_trackers_own(monkeypatch):
    tracker, net = stepping(monkeypatch)
    (seq, *_) = get_dataset("toy_train")
    alone = [track_trials.track_together(tracker, seq, [{"step": step}], 0)[0] for step in (1, 2)]
    assert sum(net.shown) == 2 * 23
    net.shown.clear()
    shared = track_trials.track_together(
        tracker, seq, [{"step": step} for step in (1, 2, 1, 2, 1)], 64
    )
    for boxes, step in zip(shared, (1, 2, 1, 2, 1), strict=True):
        np.testing.assert_array_equal(boxes, alone[step - 1])
    assert net.shown == [1, *[2] * 22]  # the first frame's crop is the same for both steps
    net.shown.clear()
    track_trials.track_together(tracker, seq, [{"step": 2}, {"step": 3}], 64)
    assert net.shown == [1] * 22  # step 2 is remembered from before


def test_memory_is_bounded(monkeypatch):
    tracker, _ = stepping(monkeypatch)
    (seq, *_) = get_dataset("toy_train")
    track_trials.track_together(
        tracker, seq, [{"step": 1}], 10 * 4 / 2**20
    )  # ten answers of one float32
    assert len(output_cache.memory) == 10 and output_cache.memory.used == 40
