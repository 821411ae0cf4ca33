"""State dicts of all networks; TransT: outputs for given weights, losses with gradients, and what
the teacher reads.
"""

from __future__ import annotations

import contextlib
import functools
from types import SimpleNamespace

import torch
from torch import Tensor

from ltr.models.decoding import hann_window_float32
from ltr.models.loss.matcher import TrackingMatcher, target_cells
from ltr.models.loss.transt_criterion import TransTCriterion
from ltr.models.tracking import ocean_model, transt, transt_model
from spot_ext.training import augmentation
from spot_ext.training.architectures import get_architecture
from spot_ext.training.teacher import pick
from tests.golden import formulas
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.golden.tolerances import MIXED, RELATIVE

TENSORS = {
    "student": lambda: transt_model.transt_resnet50(SimpleNamespace(backbone_pretrained=False)),
    "teacher": lambda: transt_model.transt_resnet50(network="teacher"),
    "original": transt.transt_resnet50,
    "ocean_student": ocean_model.ocean_resnet50,
    "ocean_teacher": lambda: ocean_model.ocean_resnet50(network="teacher"),
}
STATE_DICTS = {
    "student": "spot_transt_student",
    "teacher": "spot_transt_teacher",
    "original": "transt_original",
    "ocean_student": "spot_ocean_student",
    "ocean_teacher": "spot_ocean_teacher",
}


@functools.lru_cache(maxsize=1)
def _network() -> transt.TransT:
    return transt.transt_resnet50(iou_head=True, dropout=0.0)


def filled_network(seed: int, variant: str = "plain") -> transt.TransT:
    """Full-size TransT with an IoU head and without dropout, in eval mode; the same object at every
    call.
    """
    net = _network().float().eval().requires_grad_(True)
    net.zero_grad(set_to_none=True)
    return formulas.fill(net, seed, variant)


@check("state_dict_{}", common=["state_dicts"], variants=list(STATE_DICTS))
def state_dict(golden: Golden, compare: Comparison, which: str) -> None:
    """Names, order, shapes and types of all entries; optimiser states go by the order of the
    parameters.
    """
    expected, net = golden.common_json(f"state_dicts/{STATE_DICTS[which]}.json"), TENSORS[which]()
    compare_state_dict(net, expected, compare)


def compare_state_dict(net: torch.nn.Module, expected: dict, compare: Comparison) -> None:
    """Compare class, parameters and entries of a network with their description."""
    entries = expected["entries"].items()
    compare.equal("class", type(net).__name__, expected["class"])
    compare.equal("parameter count", sum(p.numel() for p in net.parameters()), expected["n_params"])
    compare.equal(
        "parameter order",
        [name for name, _ in net.named_parameters()],
        [name for name, entry in entries if entry["kind"] == "param"],
    )
    compare.equal(
        "entries",
        {name: [list(value.shape), str(value.dtype)] for name, value in net.state_dict().items()},
        {name: [entry["shape"], f"torch.{entry['dtype']}"] for name, entry in entries},
    )


@check(
    "transt_forward_{}",
    "transt_forward_{}.npz",
    "transt_original_forward_{}.npz",
    variants=["plain", "zm"],
    heavy=True,
)
@torch.no_grad()
def forward(golden: Golden, compare: Comparison, variant: str) -> None:
    """Outputs and features on the way to them, in one pass and as template() and track()."""
    stored = golden.arrays(f"transt_forward_{variant}.npz")
    original = golden.arrays(f"transt_original_forward_{variant}.npz")
    template, search = (
        _image(golden.seed, stored, name, size)
        for name, size in (("template", 128), ("search", 256))
    )
    if "template_u8" in stored:
        compare.equal("inputs by formula", template, stored["template_u8"])
        compare.equal("inputs by formula", search, stored["search_u8"])
    template, search = augmentation.prepare(template), augmentation.prepare(search)
    compare.close("normalised input", *stored.like("template_norm", template))
    net = golden.network(filled_network(golden.seed, variant))
    with _recorded(net) as seen:
        outputs = net(search, template)
    for name, value in seen.items():
        compare.close(f"features {name.split('_')[0]}", value, stored[f"{name}_slice"])
    net.template(template)
    tracked = net.track(search)
    for name in ("pred_logits", "pred_boxes", "pred_ious"):
        compare.close(name, outputs[name], stored[name])
        if name in original:
            compare.close(f"{name} of the original TransT", outputs[name], original[name])
        if f"track_{name}" in stored:
            compare.close(name, tracked[name], stored[f"track_{name}"])


@contextlib.contextmanager
def _recorded(net: transt.TransT):
    """Features on the way from images to predictions, sliced as the reference stored them."""
    seen, hooks = {}, []

    def record(module, cut):
        hooks.append(
            module.register_forward_hook(lambda _module, _inputs, output: seen.update(cut(output)))
        )

    def maps(name: str, channels: int):
        def cut(output):
            value = output["layer3"] if isinstance(output, dict) else output
            image, step = ("template", 2) if value.shape[-1] == 16 else ("search", 4)
            return {f"{name}_{image}": value[:, ::channels, ::step, ::step].expand(2, -1, -1, -1)}

        return cut

    def streams(output):
        template, search = (x.transpose(0, 1) for x in output)
        return {"enc_template": template[::16, :, ::8], "enc_search": search[::32, :, ::8]}

    record(net.backbone[0].body, maps("feat", 64))
    record(net.input_proj, maps("proj", 16))
    record(net.backbone[1], maps("pos", 16))
    record(net.featurefusion_network.encoder, streams)
    record(net.featurefusion_network, lambda output: {"hs": output[:, :, ::32, ::8]})
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@check("criterion_transt", "criterion_transt.npz")
def criterion(golden: Golden, compare: Comparison) -> None:
    """Losses, their gradients and the matched cells, with the release's treatment of targets beyond
    the crop.
    """
    stored = golden.arrays("criterion_transt.npz")
    ours = TransTCriterion(reference_edges=True)
    for targets_of in ("main", "edge"):
        targets = torch.from_numpy(stored["targets" if targets_of == "main" else "edge_targets"])
        inside, around = target_cells(targets, 32, reference_edges=True)
        for part in ("sup_iou", "sup", "unsup"):
            prefix = f"{targets_of}.{part}."
            inputs = {
                name: torch.from_numpy(stored[name]).requires_grad_()
                for name in ("logits", "boxes", "ious")
            }
            losses = ours(
                {f"pred_{name}": value for name, value in inputs.items()},
                targets,
                part == "sup_iou",
            )
            losses["total"].backward()
            for name in stored.names(prefix):
                if name.startswith("grad_"):
                    gradient = inputs[name.removeprefix("grad_")].grad
                    compare.close(
                        f"{targets_of} gradients", *stored.like(prefix + name, gradient), kind=MIXED
                    )
                elif name.startswith(("pos", "neg")):
                    mask = (inside if name.startswith("pos") else around)[int(name[3:])]
                    compare.equal(
                        "matched cells",
                        mask.nonzero().flatten().tolist(),
                        sorted(stored[prefix + name].tolist()),
                    )
                else:
                    compare.close(
                        f"{targets_of} losses", losses[name], stored[prefix + name], kind=RELATIVE
                    )
            compare.equal(
                "IoU loss only where asked for",
                "loss_iou_pred" in losses,
                "loss_iou_pred" in stored.names(prefix),
            )


@check("criterion_transt_set", "criterion_transt.npz")
def set_criterion(golden: Golden, compare: Comparison) -> None:
    """The same under TransT's interface of target lists."""
    stored = golden.arrays("criterion_transt.npz")
    outputs = {f"pred_{name}": torch.from_numpy(stored[name]) for name in ("logits", "boxes")}
    for targets_of, key in (("main", "targets"), ("edge", "edge_targets")):
        ours = transt.transt_loss(SimpleNamespace(device="cpu"))
        ours.matcher = TrackingMatcher(reference_edges=True)
        targets = [
            {"boxes": torch.from_numpy(box)[None], "labels": torch.tensor([0])}
            for box in stored[key]
        ]
        losses = ours(outputs, targets)
        for name in ("loss_ce", "loss_bbox", "loss_giou", "iou"):
            compare.close(
                f"{targets_of} losses",
                losses[name],
                stored[f"{targets_of}.sup.{name}"],
                kind=RELATIVE,
            )


@check("teacher_decode", "teacher_decode.npz")
def teacher_decode(golden: Golden, compare: Comparison) -> None:
    """The teacher's box, score and predicted IoU, with boxes moved rather than cut at the
    border.
    """
    stored = golden.arrays("teacher_decode.npz")
    outputs = {
        f"pred_{name}": torch.from_numpy(stored[name]) for name in ("logits", "boxes", "ious")
    }
    found = pick(
        get_architecture("transt").decode(outputs),
        float(stored["window_penalty"]),
        256,
        reference_clamp=True,
    )
    compare.close("window", hann_window_float32(1024), stored["window"])
    compare.equal("position", found.index, stored["best_idx"])
    compare.close("box px", found.boxes_xywh, stored["best_bbox"])
    compare.close("score", found.scores, stored["best_score"])
    compare.close("predicted IoU", found.ious, stored["best_conf"])


def _image(seed: int, stored, name: str, size: int) -> Tensor:
    return formulas.image(seed, f"transt/{name}", size, size, cell=8, count=2)
