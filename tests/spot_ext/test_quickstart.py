"""The main job and the command line, on a few tiny rendered videos."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ltr.admin.errors import BadValue
from ltr.recipes import find_recipe, run_training
from spot_ext import __main__ as command
from spot_ext.boxes.formats import label_file
from spot_ext.rendering import drawn
from spot_ext.studies import quickstart

SHORT = {
    "iterations": "2",
    "burn_in_epochs": "1",
    "epochs": "2",
    "batch": "4",
    "labelled": "2",
    "unlabelled": "2",
    "num_workers": "0",
    "teacher.iou_threshold": "0.0",
}
SMALL = {"splits": {"train": 3, "val": 1, "test": 2}, "size": (128, 96), "frames": (8, 10)}


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Both local.py files point below tmp_path; the embedded videos are few and small."""
    (tmp_path / "ltr_local.py").write_text(f"""class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = {str(tmp_path / "workspace")!r}
        self.tensorboard_dir = self.workspace_dir + "/tensorboard"
""")
    (
        tmp_path / "pytracking_local.py"
    ).write_text(f"""from pytracking.evaluation.environment import EnvSettings
def local_env_settings():
    settings = EnvSettings()
    settings.toy_path = {str(tmp_path / "toy")!r}
    settings.network_path, settings.result_plot_path = {str(tmp_path / "networks")!r}, {str(tmp_path / "plots")!r}
    settings.results_path = {str(tmp_path / "results")!r}
    return settings
""")
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "pytracking_local.py"))
    monkeypatch.setattr(quickstart.drawn, "ensure", functools.partial(drawn.ensure, **SMALL))
    monkeypatch.setattr(quickstart, "run", functools.partial(quickstart.run, threads=0))
    return tmp_path


def test_quickstart_trains_compares_and_resumes(configured, capsys):
    run_training("spot", "quickstart", seed=3, overrides=SHORT)
    out = capsys.readouterr().out
    path = Path(out.strip().splitlines()[-1])
    table = json.loads(path.read_text())
    assert [row["name"] for row in table["rows"]] == ["burn-in only", "labels only", "SPOT"]
    assert all(
        row["labels"] == 9 and 0 <= row["auc"] <= 100 and 0 <= row["ao"] <= 100
        for row in table["rows"]
    )
    assert table["seed"] == 3 and table["seconds"] > 0 and table["k"] == 3
    assert Path(table["plot"]).is_file() and table["plot"] in out
    assert out.count("[sparse: 2 / 2") == out.count("[labels only: 2 / 2") == 1 and "| AUC " in out
    assert (configured / "networks/spot_quickstart.pth.tar").is_file()

    run_training("spot", "quickstart", seed=3, overrides=SHORT)
    again = capsys.readouterr().out
    assert "[burnin" not in again and "[sparse" not in again and "[labels" not in again
    assert json.loads(path.read_text())["rows"] == table["rows"]


def test_full_supervision_is_one_row_more(configured, capsys):
    run_training("spot", "quickstart", overrides=SHORT)
    three = json.loads(Path(capsys.readouterr().out.strip().splitlines()[-1]).read_text())["rows"]
    run_training("spot", "quickstart_full", overrides=SHORT)
    out = capsys.readouterr().out
    path = Path(out.strip().splitlines()[-1])
    *again, full = json.loads(path.read_text())["rows"]
    assert again == three and "[sparse" not in out and path.name == "table_full.json"
    boxes = [
        line
        for file in configured.glob("toy/train/*/groundtruth.txt")
        for line in file.read_text().splitlines()
    ]
    assert full["name"] == "all labels" and 0.5 * len(boxes) < full["labels"] <= len(boxes)
    assert "run_tracker.py transt spot_quickstart_full" in out
    assert (configured / "networks/spot_quickstart_full.pth.tar").is_file()


def test_quickstart_runs_with_another_network(configured, capsys):
    short = [argument for name, value in SHORT.items() for argument in ("--set", f"{name}={value}")]
    command.main(["quickstart", "--arch", "ocean", *short])
    out = capsys.readouterr().out
    table = json.loads(Path(out.strip().splitlines()[-1]).read_text())
    assert table["settings"]["architecture"] == "ocean_small" and len(table["rows"]) == 3
    assert "run_tracker.py ocean spot_ocean_quickstart" in out
    assert (configured / "networks/spot_ocean_quickstart.pth.tar").is_file()


@pytest.mark.parametrize("arch", ["transt", "ocean", "ostrack"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("backbone_pretrained=true", r"no ImageNet weights.*_small'.*leave network\.backbone_pre"),
        ("template_size=64", r"no option 'template_size', did you mean 'template_sz'"),
    ],
)
def test_options_that_the_network_lacks_are_refused_before_anything_is_rendered(
    configured, arch, setting, message
):
    config = find_recipe("spot", quickstart.recipe_for(arch)).config()
    settings = SimpleNamespace(
        overrides={f"network.{setting.split('=')[0]}": setting.split("=")[1]}
    )
    with pytest.raises(BadValue, match=message):
        quickstart.run(settings, config)
    assert not (configured / "toy").exists()


@pytest.mark.parametrize(
    "arguments, recipe",
    [
        ([], "quickstart"),
        (["--arch", "transt"], "quickstart"),
        (["--arch", "ocean"], "quickstart_ocean"),
        (["--arch", "own"], "quickstart_own"),
    ],
)
def test_quickstart_takes_the_recipe_of_the_network(
    configured, tmp_path, monkeypatch, arguments, recipe
):
    folder = tmp_path / "plugins/train_settings/spot"
    folder.mkdir(parents=True)
    (folder / "quickstart_own.py").write_text(
        "from ltr.train_settings.spot import quickstart\nrun = quickstart.run\n"
        "def config():\n    return quickstart.config().replace(architecture='transt_light')\n"
    )
    monkeypatch.setenv("PYTRACKING_PLUGINS", str(tmp_path / "plugins"))
    asked = []
    monkeypatch.setattr(
        "ltr.recipes.run_training", lambda *arguments, **_options: asked.append(arguments)
    )
    command.main(["quickstart", *arguments])
    assert asked == [("spot", recipe)]


def test_published_network_tracks_with_the_usual_command(configured, capsys):
    run_training("spot", "quickstart", overrides=SHORT)
    from pytracking.run_tracker import run_tracker

    run_tracker("transt", "spot_quickstart", dataset_name="toy", sequence="toy_test_0001")
    boxes = (
        (configured / "results/transt/spot_quickstart/toy_test_0001.txt").read_text().splitlines()
    )
    assert len(boxes) == len(list((configured / "toy/test/toy_test_0001").glob("*.jpg")))


def test_labels_only_starts_from_the_same_burn_in(configured):
    run_training("spot", "quickstart", overrides=SHORT)
    runs = configured / "workspace/checkpoints/ltr/spot/quickstart/seed_000"
    first = "TransT_ep0001_s.pth.tar"
    assert (runs / "spot" / first).read_bytes() == (runs / "labels_only" / first).read_bytes()
    assert [file.name for file in (runs / "labels_only/store").glob("epoch_*")] == [
        "epoch_0000.safetensors"
    ]


def test_sample_writes_a_label_file(configured, tmp_path, capsys):
    drawn.ensure(tmp_path / "toy", **SMALL)
    command.main(
        [
            "sample",
            "got10k",
            "--root",
            str(tmp_path / "toy/train"),
            "--k",
            "2",
            "--seed",
            "5",
            "--out",
            str(tmp_path / "labels"),
        ]
    )
    labels = label_file.read(tmp_path / "labels/GOT-10k_train_kf_002.json")
    assert (labels.num, labels.seed, len(labels.videos)) == (2, 5, 3)
    assert "3 videos, 6 boxes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "lasso"], "did you mean 'lasot'"),
        (["sample", "got10k", "--root", "/nowhere"], "'/nowhere' does not exist"),
        (["sample", "trackingnet", "--split", "a"], "sets are numbers"),
        (["train", "quickstart", "--set", "k"], "NAME=VALUE"),
        (["train", "nothing"], "there is no recipe 'nothing'"),
        (
            ["quickstart", "--arch", "oceen"],
            "no quickstart with the network 'oceen', did you mean 'ocean'.*: transt, ocean",
        ),
        (["quickstart", "--arch", "full"], "no quickstart with the network 'full'"),
    ],
    ids=["data set", "folder", "split", "assignment", "recipe", "network", "no network"],
)
def test_bad_commands_are_sentences(configured, arguments, message):
    with pytest.raises(Exception, match=message) as raised:
        command.main(arguments)
    assert isinstance(raised.value, (ValueError, FileNotFoundError)) and "\n" not in str(
        raised.value
    )


@pytest.mark.parametrize("verb", ["quickstart", "train", "sample", "toy", "check"])
def test_every_verb_shows_an_example(verb, capsys):
    with pytest.raises(SystemExit) as status:
        command.main([verb, "--help"])
    assert status.value.code == 0
    assert f"spot {verb} " in capsys.readouterr().out.partition("example:")[2]
