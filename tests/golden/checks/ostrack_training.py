"""OSTrack: losses and their gradients, elimination alone, a training step, the schedules."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from ltr.actors.ostrack import OSTrackActor, keep_rate
from ltr.models.backbone import one_stream_vit
from ltr.models.loss.ostrack_criterion import (
    OSTrackCriterion,
    gaussian_heat_map,
    gaussian_radius,
)
from spot_ext.training import augmentation
from tests.golden import formulas
from tests.golden.checks.ostrack import FORM, MAPS, filled
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.golden.tolerances import MIXED, RELATIVE

# Cases of the criterion that the library answers otherwise on purpose: a box of negative width is
# as bad as any that does not meet the target, where the reference hides an error.
OTHERWISE = ("edge.negative_width",)
# AdamW's first step has the size of the rate and the sign of the gradient; the sign of gradients
# below this, as they are before clipping, is left to rounding.
SURE_GRADIENT = 1e-2


@check("ostrack_criterion", "ostrack_criterion.npz", form=FORM)
def criterion(golden: Golden, compare: Comparison) -> None:
    """Heat maps, losses and their gradients, also of boxes at and beyond the border."""
    stored = golden.arrays("ostrack_criterion.npz")
    cases = [name.removesuffix(".anno") for name in stored.names("") if name.endswith(".anno")]
    for case in cases:
        if case in OTHERWISE or case.startswith("score_"):
            continue
        source = "edge" if case.startswith("edge") else case.split("_")[0]
        boxes = _cxcywh(stored[f"{case}.anno"])
        inputs = {
            name: torch.from_numpy(stored[f"{source}.{name.removesuffix('_map')}"])[: len(boxes)]
            .clone()
            .requires_grad_()
            for name in MAPS
        }
        ours = OSTrackCriterion()
        compare.close("heat map", ours.targets(boxes, inputs).heat_map, stored[f"{case}.heatmap"])
        losses = ours(inputs, boxes)
        losses["total"].backward()
        _compare_losses(compare, losses, {name: stored[f"{case}.status/{name}"] for name in LOSSES})
        for name in MAPS:
            key = f"{case}.grad_{name.removesuffix('_map')}"
            compare.close("gradients", *stored.like(key, inputs[name].grad), kind=MIXED)
    heat = gaussian_heat_map(_cxcywh(stored["main.anno"]), 24)
    compare.close("heat map", heat, stored["heat384.heatmap"])
    sizes = torch.from_numpy(stored["radius.sizes"]).float()
    radius = gaussian_radius(torch.cartesian_prod(sizes, sizes)).view(len(sizes), -1)
    compare.close("radius in cells", radius, stored["radius.value"])


LOSSES = {
    "Loss/total": "total",
    "Loss/giou": "loss_giou",
    "Loss/l1": "loss_bbox",
    "Loss/location": "loss_ce",
    "IoU": "iou",
}


def _compare_losses(compare: Comparison, losses: dict[str, Tensor], expected: dict) -> None:
    for name, key in LOSSES.items():
        compare.close("losses", losses[key], expected[name], kind=RELATIVE)


@check("ostrack_elimination", "ostrack_criterion.npz", form=FORM)
def elimination(golden: Golden, compare: Comparison) -> None:
    """One elimination alone, on given attention."""
    stored = golden.arrays("ostrack_criterion.npz")
    attention = torch.from_numpy(stored["elim.attn"])
    tokens = torch.from_numpy(stored["elim.tokens"])
    template_count = 16
    search_count = tokens.shape[1] - template_count
    before = torch.from_numpy(stored["elim.global_index"]).long()
    for case in ("nomask", "equal", "half"):
        rows = torch.ones(len(tokens), template_count, dtype=torch.bool)
        if case != "nomask":
            rows = torch.from_numpy(stored[f"elim.{case}.mask"]).reshape(len(tokens), -1).bool()
        interest = torch.stack(
            [
                weights[:, chosen.nonzero()[:, 0], template_count:].mean(1).mean(0)
                for weights, chosen in zip(attention, rows, strict=True)
            ]
        )
        keep_count = math.ceil(float(stored[f"elim.{case}.rate"]) * search_count)
        left, cells = one_stream_vit.eliminate(tokens, interest, before, template_count, keep_count)
        compare.equal("kept tokens", cells, stored[f"elim.{case}.kept"])
        compare.equal("tokens", left, stored[f"elim.{case}.tokens"])


@check(
    "ostrack_train_step_{}",
    "ostrack_train_step.npz",
    "ostrack_train_step.json",
    variants=["base", "ce"],
    slow=True,
    form=FORM,
)
def train_step(golden: Golden, compare: Comparison, stage: str) -> None:
    """One iteration of the actor and the optimiser, batch norms in training mode."""
    stored = golden.arrays("ostrack_train_step.npz")
    numbers = golden.json("ostrack_train_step.json")
    net = golden.network(filled(golden, "256_ce" if stage == "ce" else "256", "soft"))
    net.requires_grad_(True)
    net.backbone.freeze(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    actor = OSTrackActor(net, OSTrackCriterion())
    actor.train()
    settings = SimpleNamespace(elimination_start=None)
    if stage == "ce":
        settings.elimination_start, settings.elimination_end = 20, 100
    images = {
        f"{name}_images": augmentation.prepare(
            formulas.image(golden.seed, f"ostrack/train/{name}", size, size, cell=8, count=2)
        )
        for name, size in (("template", 128), ("search", 256))
    }
    boxes = torch.from_numpy(stored["in.search_anno"]).reshape(2, 4) * 256
    epoch = int(numbers[f"{stage}.epoch"])
    data = {**images, "search_anno": boxes, "epoch": epoch, "settings": settings}
    loss, stats = actor(data)
    loss.backward()
    for name in LOSSES:
        compare.close("losses", stats[name], numbers[f"{stage}.stats"][name], kind=RELATIVE)

    parameters = dict(net.named_parameters())
    norms = {k: v for k, v in numbers[f"{stage}.grad_norms"].items() if v is not None}
    having = sorted(name for name, value in parameters.items() if value.grad is not None)
    compare.equal("parameters with gradient", having, sorted(norms))
    ours = [parameters[name].grad.norm().item() for name in norms]
    compare.close("gradient norms", ours, list(norms.values()), kind=MIXED)
    sure = {}
    for name in stored.names(f"{stage}.grad/"):
        gradient = _thinned(parameters[name].grad)
        compare.close("gradients", gradient, stored[f"{stage}.grad/{name}"], kind=MIXED)
        sure[name] = (gradient.abs() > SURE_GRADIENT).numpy()
    norm = nn.utils.clip_grad_norm_(net.parameters(), numbers[f"{stage}.clip"])
    total = numbers[f"{stage}.total_grad_norm_before_clip"]
    compare.close("gradient norm before clipping", norm, total, kind=RELATIVE)
    named = list(net.named_parameters())
    head = [p for name, p in named if not name.startswith("backbone.")]
    backbone = [p for name, p in named if name.startswith("backbone.")]
    groups = numbers[f"{stage}.lr_groups"]
    compare.equal("parameters of a group", [len(head), len(backbone)], [g[2] for g in groups])
    torch.optim.AdamW(
        [{"params": head, "lr": groups[0][0]}, {"params": backbone, "lr": groups[1][0]}],
        weight_decay=groups[0][1],
    ).step()
    state = net.state_dict()
    for name in stored.names(f"{stage}.after/"):
        after = _thinned(state[name]).numpy()
        theirs = stored[f"{stage}.after/{name}"]
        if name in sure:
            compare.close("parameters after the step", after[sure[name]], theirs[sure[name]])
        else:
            compare.close("batch norm statistics after the step", after, theirs.reshape(-1))
    # The network is one object for all checks.
    net.load_state_dict(before)
    net.requires_grad_(False)


def _thinned(values: Tensor) -> Tensor:
    """Return every so many-th value, at most 256, as the reference stored them."""
    flat = values.detach().flatten()
    return flat[:: max(1, flat.numel() // 256)][:256]


@check("ostrack_schedules", common=["ostrack_schedules.json"], form=FORM)
def schedules(golden: Golden, compare: Comparison) -> None:
    """The share of tokens kept in every epoch of the published recipes."""
    for recipe in golden.common_json("ostrack_schedules.json").values():
        rates = recipe.get("keep_rate_of_epoch_1_to_end")
        if rates is None:
            continue
        used = recipe["settings_in_force"]
        start, warm = used["TRAIN.CE_START_EPOCH"], used["TRAIN.CE_WARM_EPOCH"]
        ours = [keep_rate(epoch, start, start + warm, 0.7) for epoch in range(1, len(rates) + 1)]
        compare.close("keep rate", ours, rates, float64=True)


def _cxcywh(boxes_xywh: np.ndarray) -> Tensor:
    boxes = torch.from_numpy(boxes_xywh).float()
    return torch.cat((boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]), 1)
