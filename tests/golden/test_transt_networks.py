"""TransT against the reference: entry names and shapes, outputs for deterministic weights, losses with gradients."""

import contextlib
import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ltr.models.loss.matcher import TrackingMatcher, target_cells
from ltr.models.loss.transt_criterion import TransTCriterion
from ltr.models.tracking import transt, transt_model

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def golden(shared_dir):
    return shared_dir / "golden"


@pytest.fixture(scope="module")
def fill(golden):
    """The reference's formulas for weights and inputs."""
    spec = importlib.util.spec_from_file_location("golden_fill", golden / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def spot_net():
    return transt.transt_resnet50(iou_head=True).eval()


def seed_folders(golden):
    return sorted(golden.glob("seed*"))


@pytest.mark.parametrize("table, build", [
    ("spot_transt_student", lambda: transt_model.transt_resnet50(SimpleNamespace(backbone_pretrained=False))),
    ("spot_transt_teacher", lambda: transt_model.transt_resnet50(network="teacher")),
    ("transt_original", transt.transt_resnet50),
])
def test_entries_have_the_published_names_shapes_and_order(golden, table, build):
    expected = json.loads((golden / "state_dicts" / f"{table}.json").read_text())
    net = build()
    assert type(net).__name__ == expected["class"]
    assert sum(p.numel() for p in net.parameters()) == expected["n_params"]
    names = [name for name, entry in expected["entries"].items() if entry["kind"] == "param"]
    assert [name for name, _ in net.named_parameters()] == names  # optimiser states go by this order
    got = {name: [list(value.shape), str(value.dtype)] for name, value in net.state_dict().items()}
    assert got == {name: [e["shape"], f"torch.{e['dtype']}"] for name, e in expected["entries"].items()}


@pytest.mark.parametrize("variant", ["plain", "zm"])
def test_outputs_for_deterministic_weights(golden, fill, spot_net, variant):
    for folder in seed_folders(golden):
        expected = np.load(folder / f"transt_forward_{variant}.npz")
        seed = json.loads((folder / "meta.json").read_text())["seed"]
        fill.fill(spot_net, seed, variant=variant)
        template, search = (normalised(torch.from_numpy(expected[name])) for name in ("template_u8", "search_u8"))
        with torch.no_grad(), recorded(spot_net) as seen:
            outputs = spot_net(search, template)
        for name, value in seen.items():
            np.testing.assert_allclose(value, expected[f"{name}_slice"], atol=1e-4, err_msg=name)
        with torch.no_grad():
            spot_net.template(template)
            tracked = spot_net.track(search)
        for name in ("pred_logits", "pred_boxes", "pred_ious"):
            np.testing.assert_allclose(outputs[name], expected[name], atol=5e-5)
            np.testing.assert_array_equal(tracked[name], outputs[name])
        original = np.load(folder / f"transt_original_forward_{variant}.npz")
        for name in ("pred_logits", "pred_boxes"):
            np.testing.assert_allclose(outputs[name], original[name], atol=5e-5)
        top = outputs["pred_logits"].softmax(-1)[..., 0].argmax(-1)
        np.testing.assert_array_equal(top, torch.from_numpy(expected["pred_logits"]).softmax(-1)[..., 0].argmax(-1))


@contextlib.contextmanager
def recorded(net):
    """Features on the way from images to predictions, sliced as the reference stored them."""
    seen, hooks = {}, []

    def record(module, name, cut):
        hooks.append(module.register_forward_hook(lambda _module, _inputs, output: seen.update(cut(name, output))))

    def by_image(channels):  # a template map has 16 rows, a search map 32
        def cut(name, output):
            value = output["layer3"] if isinstance(output, dict) else output
            image, step = ("template", 2) if value.shape[-1] == 16 else ("search", 4)
            return {f"{name}_{image}": value[:, ::channels, ::step, ::step].expand(2, -1, -1, -1)}
        return cut

    def streams(_name, output):
        template, search = (x.transpose(0, 1) for x in output)
        return {"enc_template": template[::16, :, ::8], "enc_search": search[::32, :, ::8]}

    record(net.backbone[0].body, "feat", by_image(64))
    record(net.input_proj, "proj", by_image(16))
    record(net.backbone[1], "pos", by_image(16))
    record(net.featurefusion_network.encoder, "enc", streams)
    record(net.featurefusion_network, "hs", lambda name, output: {name: output[:, :, ::32, ::8]})
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("case", ["main", "edge"])
@pytest.mark.parametrize("part", ["sup_iou", "sup", "unsup"])
def test_criterion(golden, case, part):
    criterion = TransTCriterion(reference_edges=True)
    for folder in seed_folders(golden):
        golden_values = np.load(folder / "criterion_transt.npz")
        prefix = f"{case}.{part}."
        expected = {name[len(prefix):]: value for name, value in golden_values.items() if name.startswith(prefix)}
        inputs = {name: torch.from_numpy(golden_values[name]).requires_grad_() for name in ("logits", "boxes", "ious")}
        targets = torch.from_numpy(golden_values["targets" if case == "main" else "edge_targets"])

        losses = criterion({f"pred_{name}": value for name, value in inputs.items()}, targets, part == "sup_iou")
        losses["total"].backward()

        for name in ("total", "loss_ce", "loss_bbox", "loss_giou", "iou", "loss_iou_pred"):
            assert (name in losses) == (name in expected)
            if name in expected:
                np.testing.assert_allclose(losses[name].detach(), expected[name], rtol=1e-5)
        for name, value in inputs.items():
            if f"grad_{name}" in expected:
                np.testing.assert_allclose(value.grad, expected[f"grad_{name}"], rtol=1e-4, atol=1e-8)
            else:
                assert value.grad is None
        inside, around = target_cells(targets, 32, reference_edges=True)
        for kind, masks in (("pos", inside), ("neg", around)):
            for image, mask in enumerate(masks):
                if f"{kind}{image}" in expected:
                    assert mask.nonzero().flatten().tolist() == sorted(expected[f"{kind}{image}"].tolist())


def test_set_criterion_agrees_with_the_batched_one(golden):
    for folder in seed_folders(golden):
        values = np.load(folder / "criterion_transt.npz")
        outputs = {f"pred_{name}": torch.from_numpy(values[name]) for name in ("logits", "boxes")}
        for case, key in (("main", "targets"), ("edge", "edge_targets")):
            criterion = transt.transt_loss(SimpleNamespace(device="cpu"))
            criterion.matcher = TrackingMatcher(reference_edges=True)
            targets = [{"boxes": torch.from_numpy(box)[None], "labels": torch.tensor([0])} for box in values[key]]
            losses = criterion(outputs, targets)
            for name in ("loss_ce", "loss_bbox", "loss_giou", "iou"):
                np.testing.assert_allclose(losses[name], values[f"{case}.sup.{name}"], rtol=1e-5)


def normalised(images_uint8):
    return (images_uint8 / 255 - MEAN[:, None, None]) / STD[:, None, None]
