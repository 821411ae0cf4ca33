"""One iteration of each stage of SPOT's training, and the teacher's pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ltr.data.seeding import torch_generator
from spot_ext.training import augmentation
from spot_ext.training.actor import (
    PseudoLabelledBatch,
    PseudoLabels,
    SparseActor,
    StudentInput,
)
from spot_ext.training.architectures import get_architecture
from spot_ext.training.augmentation import AugmentConfig
from spot_ext.training.config import OptimConfig, SparseConfig
from spot_ext.training.data.samples import PairBatch, SparseBatch, Windows
from spot_ext.training.optimization import hold_backbone, make_optimizer
from spot_ext.training.teacher import Teacher
from tests.golden import formulas
from tests.golden.checks.networks import filled_network
from tests.golden.checks.ocean import filled_ocean
from tests.golden.checks.training import triplets
from tests.golden.comparison import Comparison, as_float64, check
from tests.golden.folder import Arrays, Golden
from tests.golden.tolerances import MIXED, RELATIVE

# every draw leaves the crops as they are
UNCHANGED = AugmentConfig(brightness=0, grey=0, flip=0, turn=0, rotation=0)
# AdamW's first step has the size of the learning rate and the sign of the gradient. The sign of
# smaller gradients is left to rounding; a test holds this above the tolerance of gradients.
SURE_GRADIENT = 1e-2


@dataclass(frozen=True)
class Subject:
    """A network in training, the sizes of its crops in px, and how it learns."""

    filled: Callable[[int], nn.Module]
    template: int
    search: int
    window_weight: float
    optim: OptimConfig


SUBJECTS = {
    "transt": Subject(filled_network, 128, 256, 0.40, OptimConfig()),
    "ocean": Subject(
        lambda seed: filled_ocean(seed, "plain_box"),
        127,
        255,
        0.30,
        OptimConfig(method="sgd", lr=1e-3, lr_backbone=1e-4, max_grad_norm=25, unfreeze_epoch=2),
    ),
}


@check("train_step_{}_teacher", "train_step_{}.npz", variants=list(SUBJECTS))
def teacher_boxes(golden: Golden, compare: Comparison, name: str) -> None:
    """Pseudo-labels of real crops: in eval mode, and in train mode as the reference has it."""
    stored = golden.arrays(f"train_step_{name}.npz")
    subject = SUBJECTS[name]
    net = golden.network(subject.filled(golden.seed))
    hold_backbone(net, get_architecture(name), subject.optim, epoch=1, norms=False)
    for mode in ("eval", "train"):
        teacher = Teacher(
            net, get_architecture(name), subject.window_weight, reference_mode=mode == "train"
        )
        found = teacher.find(
            augmentation.prepare(_crops(golden, name, "key")),
            augmentation.prepare(_crops(golden, name, "unlabeled")),
            reference_clamp=True,
        )
        compare.close(f"{mode} mode box px", found.boxes_xywh, stored[f"teacher_{mode}.best_bbox"])
        compare.close(f"{mode} mode score", found.scores, stored[f"teacher_{mode}.best_score"])
        compare.close(f"{mode} mode predicted IoU", found.ious, stored[f"teacher_{mode}.best_conf"])


@check(
    "train_step_transt_{}",
    "train_step_transt.npz",
    "train_step_transt.json",
    variants=["burnin", "spsup"],
    slow=True,
)
def transt_step(golden: Golden, compare: Comparison, stage: str) -> None:
    """One iteration of TransT's training."""
    _train_step(golden, compare, "transt", stage)


@check(
    "train_step_ocean_{}",
    "train_step_ocean.npz",
    "train_step_ocean.json",
    variants=["burnin", "spsup"],
    slow=True,
)
def ocean_step(golden: Golden, compare: Comparison, stage: str) -> None:
    """One iteration of Ocean's training with the backbone held still, but for its norms."""
    _train_step(golden, compare, "ocean", stage)


def _train_step(golden: Golden, compare: Comparison, name: str, stage: str) -> None:
    """One iteration of the actor and the optimiser without dropout and augmentation."""
    stored = golden.arrays(f"train_step_{name}.npz")
    numbers = golden.json(f"train_step_{name}.json")
    subject = SUBJECTS[name]
    architecture = get_architecture(name, reference_targets=True)
    net = golden.network(subject.filled(golden.seed))
    actor = SparseActor(net, None, architecture, SparseConfig(datasets=(), augment=UNCHANGED))
    hold_backbone(net, architecture, subject.optim, epoch=1, norms=False)
    actor.train()
    optimizer = make_optimizer(net, architecture, subject.optim)

    inputs = _student_inputs(actor, *_iteration(golden, stored, name, stage == "spsup"))
    outputs = actor.predict(inputs)
    counts = actor.counts(inputs, outputs)
    batch_size = sum(kind.total_count for kind in inputs)
    loss, stats = actor.loss(inputs, outputs, counts, batch_size)
    parts = [
        architecture.criterion(kind_outputs, kind.boxes_cxcywh, kind.labelled)
        for kind, kind_outputs in zip(inputs, outputs, strict=True)
    ]
    loss.backward()
    compare.close("loss", loss, numbers[f"{stage}.loss"], kind=RELATIVE)
    _compare_statistics(compare, stats, parts, numbers[f"{stage}.stats"])

    parameters = dict(net.named_parameters())
    _compare_gradients(compare, parameters, stored, numbers, stage)
    sure = {
        name: parameter.grad.abs() > SURE_GRADIENT
        for name, parameter in parameters.items()
        if parameter.grad is not None
    }
    if subject.optim.max_grad_norm is not None:
        norm = nn.utils.clip_grad_norm_(net.parameters(), subject.optim.max_grad_norm)
        total = numbers[f"{stage}.total_grad_norm_before_clip"]
        compare.close("gradient norm before clipping", norm, total, kind=RELATIVE)
    optimizer.step()
    if subject.optim.unfreeze_epoch is not None:
        # the network is one object for all checks
        architecture.backbone(net).freeze(False)
    _compare_updated(compare, subject, net, sure, stored, stage)


def _compare_statistics(
    compare: Comparison,
    stats: dict[str, Any],
    parts: list[dict[str, Tensor]],
    expected: dict[str, float],
) -> None:
    """Compare what an iteration reports."""
    for name, value in expected.items():
        if name == "Loss/total":
            compare.close("loss", stats[name], value, kind=RELATIVE)
        elif name in stats and name.startswith("iou_"):
            compare.close("mean IoU", stats[name], value, kind=RELATIVE)
        else:
            # the reference reports the mean of both halves, ours those of each
            key = name.replace("Loss/", "loss_")
            of_halves = [part[key] for part in parts if key in part]
            what = "parts of the loss" if name.startswith("Loss/") else "mean IoU"
            compare.close(what, sum(of_halves) / len(of_halves), value, kind=RELATIVE)


def _compare_gradients(
    compare: Comparison,
    parameters: dict[str, nn.Parameter],
    stored: Arrays,
    numbers: dict[str, Any],
    stage: str,
) -> None:
    """Compare all gradients' norms, and the first values of some."""
    norms = numbers[f"{stage}.grad_norms"]
    having = [name for name, parameter in parameters.items() if parameter.grad is not None]
    compare.equal("parameters with gradient", sorted(having), sorted(norms))
    ours = [parameters[name].grad.norm().item() for name in norms]
    compare.close("gradient norms", ours, list(norms.values()), kind=MIXED)
    for name in stored.names(f"{stage}.grad/"):
        theirs = stored[f"{stage}.grad/{name}"]
        compare.close("gradients", parameters[name].grad.flatten()[: theirs.size], theirs)


def _compare_updated(
    compare: Comparison,
    subject: Subject,
    net: nn.Module,
    sure: dict[str, Tensor],
    stored: Arrays,
    stage: str,
) -> None:
    """Compare parameters and buffers after the optimiser's step.

    `sure` says of every parameter's values where the sign of the gradient is beyond doubt.
    """
    state = net.state_dict()
    for name in stored.names(f"{stage}.after/"):
        theirs = stored[f"{stage}.after/{name}"]
        ours = as_float64(state[name].flatten()[: theirs.size])
        if "num_batches" in name:
            compare.equal("batch norm counters after the step", ours, theirs)
        elif "running" in name:
            compare.close("batch norm statistics after the step", ours, theirs)
        elif subject.optim.method == "adamw":
            mask = sure[name].flatten()[: theirs.size].numpy()
            compare.close("parameters after the step", ours[mask], theirs[mask])
            compare.close(
                "parameters after a step of unsure sign",
                ours[~mask],
                theirs[~mask],
                slack=2 * subject.optim.lr,
            )
        else:
            compare.close("parameters after the step", ours, theirs)


def _iteration(
    golden: Golden, stored: Arrays, name: str, sparse: bool
) -> tuple[SparseBatch, PseudoLabels | None]:
    """Batch and pseudo-labels of an iteration; the windows map frames to crops unchanged."""
    pairs = PairBatch(
        torch.zeros(0, dtype=torch.int64),
        _crops(golden, name, "template"),
        _crops(golden, name, "search"),
        torch.from_numpy(stored["in.search_anno"]),
    )
    if not sparse:
        return SparseBatch(pairs, None), None
    boxes, count = torch.from_numpy(stored["in.aug_anno"]).double(), 2
    size = SUBJECTS[name].search
    same = Windows(
        torch.full((count, 2), (size - 1) / 2, dtype=torch.float64),
        torch.ones(count, 1, dtype=torch.float64),
        size,
    )
    augmented = _crops(golden, name, "aug")
    unlabelled = triplets(
        same,
        relays=_crops(golden, name, "relay"),
        augmented=augmented,
        augmented_fills=augmented.double().mean((2, 3)).float(),
    )
    yes = torch.ones(count, dtype=torch.bool)
    found = PseudoLabels(
        boxes, torch.ones(count), yes, ~yes, unlabelled.paths, unlabelled.frame_ids
    )
    return SparseBatch(pairs, unlabelled), found


def _student_inputs(
    actor: SparseActor, batch: SparseBatch, found: PseudoLabels | None
) -> list[StudentInput]:
    generator = torch_generator(0)
    inputs = [actor.labelled_input(batch.labelled, generator)]
    if found is not None:
        pseudo_labelled = PseudoLabelledBatch(batch.unlabelled, found, found)
        inputs.append(actor.unlabelled_input(pseudo_labelled, generator))
    return inputs


def _crops(golden: Golden, subject: str, name: str) -> Tensor:
    size = (
        SUBJECTS[subject].template
        if name in ("template", "relay", "key")
        else SUBJECTS[subject].search
    )
    return formulas.image(golden.seed, f"train/{subject}/{name}", size, size, cell=8, count=2)
