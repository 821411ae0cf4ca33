"""Ocean: outputs for given weights, losses, what the teacher reads, and the online tracker."""

from __future__ import annotations

import functools

import torch

from ltr.models.loss.ocean_criterion import OceanCriterion, ocean_labels
from ltr.models.tracking.ocean import Ocean, box_offsets, grid, ocean_resnet50
from pytracking.tracker.ocean import get_tracker_class
from spot_ext.training import augmentation
from spot_ext.training.architectures import get_architecture
from spot_ext.training.teacher import pick
from tests.golden import formulas
from tests.golden.checks.tracking import compare_track, run_tracker
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.golden.tolerances import MIXED, RELATIVE


@functools.lru_cache(maxsize=1)
def _network() -> Ocean:
    return ocean_resnet50()


def filled_ocean(seed: int, variant: str = "plain") -> Ocean:
    """Full-size Ocean in eval mode, nothing held still; the same object at every call. '_box':
    boxes of realistic size.
    """
    net = _network().float().eval().requires_grad_(True)
    net.zero_grad(set_to_none=True)
    formulas.fill(net, seed, variant.split("_")[0])
    if "_box" in variant:
        with torch.no_grad():
            net.connect_model.adjust.fill_(0.1)
            net.connect_model.bias.fill_(3.5)
    return net


@check(
    "ocean_forward_{}", "ocean_forward_{}.npz", variants=["plain", "zm", "plain_box"], heavy=True
)
@torch.no_grad()
def forward(golden: Golden, compare: Comparison, variant: str) -> None:
    """Outputs and what leads to them, in one pass and as template() and track()."""
    stored = golden.arrays(f"ocean_forward_{variant}.npz")
    template, search = (
        augmentation.prepare(
            formulas.image(golden.seed, f"ocean/{name}", size, size, cell=8, count=2)
        )
        for name, size in (("template", 127), ("search", 255))
    )
    net = golden.network(filled_ocean(golden.seed, variant))
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.update({name: output, **seen})
        )
        for name, module in (
            ("template", net.neck),
            ("cls_dw", net.connect_model.cls_dw),
            ("x_reg", net.connect_model.bbox_tower),
        )
    ]
    try:
        outputs = net(search, template)
    finally:
        for hook in hooks:
            hook.remove()
    for name, value in (
        ("neck_template", seen["template"]),
        ("cls_dw_slice", seen["cls_dw"]),
        ("x_reg_slice", seen["x_reg"]),
    ):
        compare.close(f"features {name.removesuffix('_slice')}", *stored.like(name, value[:, ::16]))
    compare.close(
        "offsets",
        *stored.like("offsets", box_offsets(outputs["pred_boxes"]).flatten(2).transpose(1, 2)),
    )
    for name in ("pred_logits", "align_logits", "pred_ious", "pred_boxes"):
        compare.close(name, *stored.like(name, outputs[name]))
    boxes = (
        get_architecture("ocean")
        .decode(outputs)
        .boxes_cxcywh_BN4.reshape(2, 25, 25, 4)
        .permute(0, 3, 1, 2)
        * 255
    )
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    compare.close("boxes in the crop", *stored.like("bbox_pred_to_img", corners))
    net.template(template)
    tracked = net.track(search)
    for name, theirs in (
        ("pred_logits", "cls"),
        ("pred_boxes", "bbox"),
        ("align_logits", "align"),
    ):
        if f"track_{theirs}" in stored:
            compare.close(name, tracked[name], stored[f"track_{theirs}"])


@check("criterion_ocean", "criterion_ocean.npz")
def criterion(golden: Golden, compare: Comparison) -> None:
    """Labels, losses and gradients, with the release's labels and its losses of targets at the
    border.
    """
    stored = golden.arrays("criterion_ocean.npz")
    ours = OceanCriterion(reference=True)
    inputs = {
        "pred_logits": "logits",
        "pred_boxes": "boxes",
        "align_logits": "align",
        "pred_ious": "ious",
    }
    for case in ("main.sup", "main.unsup", "nopos", "onepos", "smallbox"):
        boxes = torch.from_numpy(stored["annos" if case.startswith("main") else f"{case}.anno"])
        outputs = {
            ours_: torch.from_numpy(stored[theirs][: len(boxes)]).requires_grad_()
            for ours_, theirs in inputs.items()
        }
        centred = torch.cat([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], 1) / 255
        losses = ours(outputs, centred, with_iou=case != "main.unsup")
        losses["total"].backward()
        for name in losses:
            compare.close("losses", losses[name], stored[f"{case}.{name}"], kind=RELATIVE)
        labels = ocean_labels(boxes, 25, 255, reference=True)
        for name, value in (
            ("cls_label", labels.positive),
            ("reg_weight", labels.inside),
            ("iou_weight", labels.around),
        ):
            compare.equal("labels", *stored.like(f"{case}.{name}", value.float()))
        compare.close(
            "box labels px", *stored.like(f"{case}.reg_label", labels.ltrb.permute(0, 2, 3, 1))
        )
        for ours_, theirs in inputs.items():
            if f"grad_{theirs}" in stored.names(f"{case}."):
                compare.close(
                    "gradients",
                    *stored.like(f"{case}.grad_{theirs}", outputs[ours_].grad),
                    kind=MIXED,
                )


@check("teacher_decode_ocean", "teacher_decode.npz")
def teacher_decode(golden: Golden, compare: Comparison) -> None:
    """The teacher's box, score and predicted IoU, with boxes moved rather than cut at the
    border.
    """
    stored = golden.arrays("teacher_decode.npz")
    outputs = {
        name: torch.from_numpy(stored[f"ocean_{name}"])
        for name in ("pred_logits", "align_logits", "pred_ious")
    }
    corners = torch.from_numpy(stored["ocean_bbox_pred_to_img"])
    line = grid(25, 255, corners)
    positions = torch.stack(torch.meshgrid(line, line, indexing="xy"))
    outputs["pred_boxes"] = torch.cat([positions - corners[:, :2], corners[:, 2:] - positions], 1)
    found = pick(get_architecture("ocean").decode(outputs), 0.30, 255, reference_clamp=True)
    compare.close("box px", found.boxes_xywh, stored["ocean_best_bbox"])
    compare.close("score", found.scores, stored["ocean_best_score"])
    compare.close("predicted IoU", found.ious, stored["ocean_best_conf"])


@check(
    "tracker_ocean_{}",
    "synthetic_sequence.npz",
    "tracker_spot_ocean.npz",
    variants=["plain", "plain_box", "plain_box_sharp"],
    heavy=True,
)
def tracker(golden: Golden, compare: Comparison, variant: str) -> None:
    """Boxes of every frame against SPOT's tracker."""
    stored = golden.arrays("tracker_spot_ocean.npz")
    sequence = golden.arrays("synthetic_sequence.npz")
    net = filled_ocean(golden.seed, variant)
    if variant.endswith("_sharp"):
        with torch.no_grad():
            net.connect_model.cls_pred.weight *= float(stored[f"{variant}.cls_scale"])
            net.connect_model.cls_pred.bias.fill_(float(stored[f"{variant}.cls_bias"]))
    track = run_tracker(get_tracker_class(), golden.network(net), sequence)
    compare_track(compare, track, stored[f"{variant}.boxes"], stored[f"{variant}.best_score"])
