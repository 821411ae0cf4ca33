"""Contract checks K01-K04: TransT's network and loss, backbones, and what `ltr` exports."""

import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings():
    """What TransT's own train settings give the factory."""
    return SimpleNamespace(
        position_embedding="sine",
        hidden_dim=256,
        dropout=0.1,
        nheads=8,
        dim_feedforward=2048,
        featurefusion_layers=4,
        device="cpu",
        backbone_pretrained=False,
    )


@pytest.fixture(scope="module")
def outputs(settings):
    from ltr.models.tracking.transt import transt_resnet50

    net = transt_resnet50(settings).eval()
    with torch.no_grad():
        return net, net(torch.zeros(2, 3, 256, 256), torch.zeros(2, 3, 128, 128))


def test_K01_transt_has_the_published_entries_and_outputs(outputs):
    net, predicted = outputs
    names = list(net.state_dict())
    assert len(names) == 430 and sum(p.numel() for p in net.parameters()) == 23_016_006
    assert [name for name, _ in net.named_children()] == [
        "featurefusion_network",
        "class_embed",
        "bbox_embed",
        "input_proj",
        "backbone",
    ]
    assert {
        "class_embed.layers.2.weight",
        "bbox_embed.layers.0.bias",
        "backbone.0.body.layer3.5.conv3.weight",
        "featurefusion_network.encoder.layers.3.norm23.weight",
        "featurefusion_network.decoder.norm.weight",
    } <= set(names)
    assert {name: tuple(value.shape) for name, value in predicted.items()} == {
        "pred_logits": (2, 1024, 2),
        "pred_boxes": (2, 1024, 4),
    }


def test_K02_transt_loss_of_a_centred_box(outputs, settings):
    from ltr.models.loss.matcher import build_matcher
    from ltr.models.tracking.transt import transt_loss

    targets = [{"boxes": torch.tensor([[0.5, 0.5, 0.2, 0.2]]), "labels": torch.tensor([0])}] * 2
    criterion = transt_loss(settings)
    losses = criterion(outputs[1], targets)
    assert losses.keys() == {"loss_ce", "class_error", "loss_bbox", "loss_giou", "iou"}
    assert [len(cells) for cells, _ in build_matcher()(outputs[1], targets)] == [49, 49]
    assert (
        criterion.weight_dict == {"loss_ce": 8.334, "loss_bbox": 5, "loss_giou": 2}
        and criterion.eos_coef == 0.0625
    )


def test_K03_resnet50_gives_the_layers_asked_for():
    from ltr.models.backbone import resnet50

    net = resnet50(output_layers=["layer2", "layer3"]).eval()
    with torch.no_grad():
        found = net(torch.zeros(1, 3, 64, 64))
    assert isinstance(found, OrderedDict)
    assert {name: (value.shape[1], 64 // value.shape[-1]) for name, value in found.items()} == {
        "layer2": (512, 8),
        "layer3": (1024, 16),
    }
    with pytest.raises(ValueError, match="layer5"):
        resnet50(output_layers=["layer5"])


def test_K04_imports_of_train_settings_need_no_optional_package():
    code = """
import sys
sys.modules.update(dict.fromkeys(("visdom", "jpeg4py", "pycocotools", "lvis", "timm", "tikzplotlib")))
from ltr import MultiGPU, load_network, model_constructor
from ltr.dataset import Lasot, MSCOCOSeq, Got10k, TrackingNet
from ltr.data import processing, sampler, LTRLoader
from ltr import actors
import ltr.data.transforms as tfm
import ltr.models.tracking.transt as transt_models
from ltr.trainers import LTRTrainer
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
