"""Numbers that make no sense are refused before anything starts."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

from ltr.admin.arguments import Number
from ltr.admin.errors import BadInput, BadValue
from ltr.geometry.checks import check_box
from ltr.train_settings.spot import quickstart
from spot_ext.__main__ import build_parser, main
from spot_ext.studies import quickstart as study

LONG = "9" * 31
LINES = [
    "sample folder --seed -1",
    f"sample folder --seed {LONG}",
    f"sample folder --k {LONG}",
    "sample folder --k 0",
    f"sample folder --budget {LONG}",
    "sample folder --budget 5 --videos -1",
    "annotate videos --seed -1",
    f"annotate videos --k {LONG}",
    "annotate videos --port 70000",
    "annotate videos --port -1",
    "train quickstart --seed -1",
    f"quickstart --seed {LONG}",
    "label videos --boxes few.csv --out out --seed -1",
    f"label videos --boxes few.csv --out out --epochs {LONG}",
    "track walk.mp4 --box 1,2,3,4 --start -1",
    f"track walk.mp4 --box 1,2,3,4 --start {LONG}",
    "track walk.mp4 --box 0,0,1e9,1e9",
    "track walk.mp4 --box 0,0,nan,1",
    f"scenes --out out --count {LONG}",
    "scenes --out out --frames 0",
    f"suggest run --n {LONG}",
    "suggest run --steps 0",
    "discover videos --mode motion --out out --least-quality 7",
    "discover videos --mode motion --out out --least-score nan",
    "discover videos --mode motion --out out --smallest inf",
    "discover videos --mode det --out out --every 0",
    "check folder --workers -1",
    f"check folder --workers {LONG}",
    "tune transt light --dataset toy --seed -1",
    f"tune transt light --dataset toy --trials {LONG}",
]


@pytest.mark.parametrize("line", LINES)
def test_a_verb_refuses_it_before_it_looks_at_anything(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadValue, match=r"^--[a-z-]+ .*: ") as caught:
        main(line.split())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["9" * 5000, "1e3", "²", "1_0_", "", "0x10"])
def test_what_is_no_whole_number_is_said_by_argparse(text, capsys):
    with pytest.raises(SystemExit):
        main(["sample", "folder", "--k", text])
    error = capsys.readouterr().err
    assert "is not a whole number" in error and len(error.splitlines()[-1]) < 200


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("run_webcam", "transt light --camera -1"),
        ("run_webcam", "transt light --visdom_port 99999"),
        ("run_video", "transt light walk.mp4 --optional_box 1 2 1e9 1e9"),
        ("run_video", "transt light walk.mp4 --optional_box nan 2 3 4"),
        ("run_video", "transt light walk.mp4 --debug -1"),
        ("run_tracker", f"transt light --threads {LONG}"),
        ("run_tracker", "transt light --runid -1"),
        ("run_experiment", "myexperiments transt --threads -1"),
        ("run_vot", "transt light --runid -1"),
    ],
)
def test_a_script_refuses_it_before_it_looks_at_anything(script, line, monkeypatch):
    module = importlib.import_module(f"pytracking.{script}")
    monkeypatch.setattr(sys, "argv", [script, *line.split()])
    with pytest.raises(BadValue, match=r"^--[a-z_]+ .*: give at (least|most)"):
        module.main()


def test_every_number_of_a_verb_has_limits():
    for verb in build_parser()._subparsers._group_actions[0].choices.values():
        plain = [action.dest for action in verb._actions if action.type in (int, float)]
        # `export --first-frame` has its choices.
        assert [name for name in plain if name != "first_frame"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("teacher.iou_threshold", "7"),
        ("teacher.iou_threshold", "-0.1"),
        ("teacher.keep_rate", "2.0"),
        ("teacher.interval", "0"),
        ("optim.lr", "-1"),
        ("optim.lr", "0"),
        ("optim.lr", "1e999"),
        ("optim.weight_decay", "-1"),
        ("optim.decay", "-1"),
        ("augment.flip", "1.5"),
        ("crops.search_size", "0"),
        ("crops.search_size", LONG),
        ("k", LONG),
        ("epochs", LONG),
        ("batch", LONG),
        ("num_workers", LONG),
        ("frame_cache_mb", "-1"),
        ("max_fault_share", "7"),
    ],
)
def test_a_setting_of_a_recipe_is_refused_by_name(name, value):
    with pytest.raises(BadInput, match=name.rpartition(".")[2]):
        quickstart.config().override({name: value})


@pytest.mark.parametrize(
    "assignments",
    [
        {"epochs": "3", "burn_in_epochs": "1"},
        {"burn_in_epochs": "1", "epochs": "3"},
        {"accumulate": "16", "labelled": "16", "batch": "32"},
        {"network.hidden_dim": "64", "network.nheads": "4"},
    ],
)
def test_the_order_of_settings_does_not_count(assignments):
    config = quickstart.config()
    options = config.override(assignments)
    assert options == config.override(dict(reversed(assignments.items())))
    assert options != config


@pytest.mark.parametrize(
    ("setting", "says"),
    [("architecture", "architecture 'x' is not known"), ("init_from", "init_from: no file 'x'")],
)
def test_names_in_a_recipe_are_looked_at_before_anything_is_rendered(setting, says, monkeypatch):
    monkeypatch.setattr(study.drawn, "ensure", lambda *_: pytest.fail("videos were rendered"))
    settings = SimpleNamespace(overrides={setting: "x"})
    with pytest.raises(BadInput, match=says):
        study.run(settings, quickstart.config())


def test_a_box_much_larger_than_its_frame_is_refused():
    assert check_box((-10, -10, 200, 100), "here", (100, 60)) == (-10, -10, 200, 100)
    for box in ((0, 0, 201, 10), (0, 0, 10, 121), (0, 0, 1e9, 1e9)):
        with pytest.raises(BadValue, match="is much larger than its frame of 100x60 pixels"):
            check_box(box, "here", (100, 60))


def test_limits_give_a_reason():
    with pytest.raises(BadValue, match=r"--x 11: give at most 10 \(a dozen is too many\)"):
        Number(0, 10, "a dozen is too many").check("--x", 11)
