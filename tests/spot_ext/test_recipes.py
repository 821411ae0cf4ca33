"""The published recipes on tiny trees: the full-size network really trains, on the CPU."""

import importlib

import pytest
import torch
import torchvision

from ltr.io.checkpoint import read_checkpoint
from ltr.recipes import find_recipe, run_training
from ltr.train_settings.spot import quickstart, transt_sparse

SHORT = {
    "iterations": "1",
    "burn_in_epochs": "1",
    "epochs": "2",
    "batch": "2",
    "labelled": "1",
    "unlabelled": "1",
    "num_workers": "0",
    "teacher.iou_threshold": "0.0",
    "publish": "tiny",
}


@pytest.fixture
def configured(tree, lasot_tree, trackingnet_tree, tmp_path, monkeypatch):
    """local.py files that name the three trees, and a stand-in for ImageNet weights."""
    (tmp_path / "local.py").write_text(f"""class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = {str(tmp_path / "workspace")!r}
        self.tensorboard_dir = self.workspace_dir + "/tensorboard"
        self.pretrained_networks = self.workspace_dir + "/pretrained_networks"
        self.got10k_dir, self.lasot_dir, self.trackingnet_dir = {str(tree)!r}, {str(lasot_tree)!r}, {str(trackingnet_tree)!r}
""")
    (
        tmp_path / "pytracking_local.py"
    ).write_text(f"""from pytracking.evaluation.environment import EnvSettings
def local_env_settings():
    settings = EnvSettings()
    settings.network_path = {str(tmp_path / "networks")!r}
    return settings
""")
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "local.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "pytracking_local.py"))
    torch.manual_seed(0)
    (tmp_path / "workspace/pretrained_networks").mkdir(parents=True)
    weights = torchvision.models.resnet50().state_dict()
    torch.save(weights, tmp_path / "workspace/pretrained_networks/resnet50-standin.pth")
    return tmp_path, weights


@pytest.mark.slow
def test_full_size_network_trains_on_three_data_sets(configured, capsys):
    folder, imagenet = configured
    run_training("spot", "transt_sparse", overrides=SHORT)
    run = folder / "workspace/checkpoints/ltr/spot/transt_sparse"
    student = read_checkpoint(run / "TransT_ep0002_s.pth.tar")["net"]
    assert (
        sum(
            value.numel()
            for name, value in student.items()
            if "running" not in name and "num_b" not in name
        )
        == 23147847
    )
    started = imagenet["layer3.0.conv1.weight"]
    trained = student["backbone.0.body.layer3.0.conv1.weight"]
    assert not torch.equal(trained, started) and (trained - started).abs().max() < 1e-3
    assert {file.name for file in (folder / "workspace/labels").iterdir()} == {
        "GOT-10k_vottrain_kf_003.json",
        "LaSOT_train_kf_003.json",
        "TrackingNet_0,3_kf_003.json",
    }
    assert (folder / "networks/tiny.pth.tar").is_file()
    assert "[sparse: 2 / 2, 1 / 1]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "k", "epochs", "decay", "publish"),
    [
        ("transt_sparse", 3, 400, 300, "spot_transt"),
        ("transt_sparse_k2", 2, 400, 300, "spot_transt_k2"),
        ("transt_sparse_k5", 5, 400, 300, "spot_transt_k5"),
        ("transt_sparse_got10k", 3, 350, 250, "spot_transt_got10k"),
    ],
)
def test_variants_differ_where_they_should(name, k, epochs, decay, publish):
    config = find_recipe("spot", name).config()
    assert (config.k, config.epochs, config.optim.decay_epoch, config.publish) == (
        k,
        epochs,
        decay,
        publish,
    )
    published = transt_sparse.config()
    assert (
        config.replace(
            k=3,
            epochs=400,
            optim={"decay_epoch": 300},
            publish="spot_transt",
            datasets=published.datasets,
        )
        == published
    )


@pytest.mark.parametrize(
    ("module", "name", "sparse", "parameters"),
    [
        ("spot", "transt_full", "transt_sparse", "transt.spot_transt_full"),
        ("spot", "ocean_full", "ocean_sparse", "ocean.ocean"),
        ("ocean", "ocean", "ocean_sparse", "ocean.ocean"),
    ],
)
def test_full_supervision_differs_in_its_labels_only(module, name, sparse, parameters):
    full, sparse = find_recipe(module, name).config(), find_recipe("spot", sparse).config()
    assert (full.k, full.unlabelled) == (None, 0)
    assert full.replace(k=3, unlabelled=24, publish=sparse.publish) == sparse
    parameters = importlib.import_module(f"pytracking.parameter.{parameters}").parameters()
    assert parameters.net.net_path == f"{full.publish}.pth.tar"


@pytest.mark.parametrize(
    ("text", "value"), [("all", "all"), ("('stem', 'stage1')", ("stem", "stage1"))]
)
def test_options_of_the_network_are_set_from_the_command_line(text, value):
    config = (
        find_recipe("spot", "transt_light")
        .config()
        .override({"network.frozen_backbone_layers": text})
    )
    assert config.network["frozen_backbone_layers"] == value and config.network["search_sz"] == 225


@pytest.mark.parametrize(
    ("variant", "k", "datasets", "epochs", "joins"),
    [
        ("", 3, 3, 350, 70),
        ("_k2", 2, 3, 350, 70),
        ("_k5", 5, 3, 350, 70),
        ("_got10k", 3, 1, 300, 60),
    ],
)
def test_ocean_recipes_share_all_but_their_few_lines(variant, k, datasets, epochs, joins):
    """Its own network, crops, window, threshold and optimiser; data and the rest are those of the
    first network's recipe.
    """
    config, other = (
        find_recipe("spot", f"{name}_sparse{variant}").config() for name in ("ocean", "transt")
    )
    assert (config.k, config.datasets, config.labelled, config.batch) == (
        other.k,
        other.datasets,
        other.labelled,
        other.batch,
    )
    assert (config.architecture, config.epochs, config.burn_in_epochs, config.publish) == (
        "ocean",
        epochs,
        50,
        f"spot_ocean{variant}",
    )
    published = find_recipe("spot", "ocean_sparse").config()
    assert (
        config.replace(
            k=3,
            datasets=published.datasets,
            epochs=350,
            optim={"unfreeze_epoch": 70},
            publish="spot_ocean",
        )
        == published
    )
    assert (config.k, len(config.datasets)) == (k, datasets)
    assert (
        config.teacher.window_weight,
        config.teacher.iou_threshold,
        config.crops.search_size,
    ) == (0.30, 0.82, 255)
    assert (
        config.optim.method,
        config.optim.schedule,
        config.optim.unfreeze_epoch,
        config.optim.max_grad_norm,
        config.optim.weight_decay,
        config.optim.momentum,
    ) == ("sgd", "log", joins, 25.0, 1e-4, 0.9)
    parameters = importlib.import_module(
        f"pytracking.parameter.ocean.{config.publish}"
    ).parameters()
    assert parameters.net.net_path == f"{config.publish}.pth.tar"


def test_quickstart_changes_what_it_must():
    config = quickstart.config()
    assert config.architecture == "transt_small" and config.k == 3 and config.datasets == ()
