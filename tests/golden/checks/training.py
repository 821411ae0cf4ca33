"""SPOT's training: averaging, recording pseudo-labels, and one iteration of each stage."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltr.data.seeding import torch_generator
from ltr.models.tracking.transt import TransT, transt_resnet50
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
from spot_ext.training.data.samples import PairBatch, SparseBatch, TripletBatch, Windows
from spot_ext.training.epoch_run import record_found
from spot_ext.training.optimization import hold_backbone, make_optimizer
from spot_ext.training.pseudo_labels.writer import UNITS
from spot_ext.training.teacher import PseudoBox, Teacher, accept
from tests.golden import formulas
from tests.golden.checks.networks import BOXES, LOSSES, filled_network
from tests.golden.checks.ocean import filled_ocean
from tests.golden.checks.places import temporary_store
from tests.golden.comparison import GEOMETRY, Comparison, check
from tests.golden.folder import Arrays, Golden

UNCHANGED = AugmentConfig(
    brightness=0, grey=0, flip=0, turn=0, rotation=0
)  # every draw leaves the crops as they are
GRADIENTS = 5e-4  # other convolution and matrix kernels alone give 3e-4
OCEAN_GRADIENTS = (
    2e-3  # a tap of the deformable convolution that lies on a grid line may be on either side of it
)
GRADIENT_NORMS = {
    "absolute": GRADIENTS,
    "relative": 1e-2,
}  # other kernels alone give 4e-3 rel, in norms near zero
STATISTICS = 1e-5  # of batch norms; the other order of search and template gives 1e-3
MEAN_IOU = 5e-5  # not a loss: it moves with every box
TEACHER_BOXES = 2e-3  # px


@functools.lru_cache(maxsize=1)
def _other_network() -> TransT:
    return transt_resnet50(iou_head=True)


@check("ema_keep{}", "ema_keep{}.npz", variants=["0.998", "0.0"])
def averaging(golden: Golden, compare: Comparison, keep: str) -> None:
    """The teacher after one update; counters are averaged as in the reference."""
    stored = golden.arrays(f"ema_keep{keep}.npz")
    student = filled_network(golden.seed)
    teacher = Teacher(
        formulas.fill(_other_network(), golden.seed + 100),
        get_architecture("transt"),
        0.4,
        reference_mode=True,
    )
    for net, count in ((student, 1000), (teacher.net, 7)):
        for name, buffer in net.named_buffers():
            if name.endswith("num_batches_tracked"):
                buffer.fill_(count)

    def entries(which: str, net: TransT) -> None:
        state = net.state_dict()
        for name in stored.names(f"{which}/"):
            theirs = stored[f"{which}/{name}"]
            ours = state[name].flatten()[: theirs.size].reshape(theirs.shape)
            compare.close(
                "counters" if "num_batches" in name else f"entries {which}",
                ours,
                theirs,
                0 if "num_batches" in name else 1e-6,
            )

    entries("student", student)
    entries("teacher_before", teacher.net)
    teacher.update(student, float(keep))
    entries("teacher_after", teacher.net)
    total = sum(
        value.double().abs().sum().item()
        for value in teacher.net.state_dict().values()
        if value.is_floating_point()
    )
    compare.close("sum of all entries", total, stored["abs_sum_all_float"], relative=1e-7)


class _ToldTeacher:
    """Finds what it is told."""

    def __init__(self, found: PseudoBox):
        self.found = found

    def find(self, *_inputs) -> PseudoBox:
        return self.found


@check("middleware", "middleware.npz", "middleware_epoch_state.json")
def recording(golden: Golden, compare: Comparison) -> None:
    """From the teacher's box in the crop to the record of the epoch, and to the student's
    target.
    """
    stored = golden.arrays("middleware.npz")
    boxes, ious = (torch.from_numpy(stored[name]) for name in ("best_bbox", "best_conf"))
    count = len(boxes)
    config = SparseConfig(datasets=(), augment=AugmentConfig(reference_clamp=True))
    teacher = _ToldTeacher(PseudoBox(boxes, ious, ious, torch.zeros(count, dtype=torch.long)))
    actor = SparseActor(torch.nn.Identity(), teacher, get_architecture("transt"), config)
    batch = _triplets(
        _windows(stored, ""), paths=torch.arange(count), frame_ids=100 + torch.arange(count)
    )
    pseudo = actor.pseudo_label(batch, torch_generator(0))
    compare.close("box in the frame px", pseudo.boxes_xywh, stored["recovered"], **GEOMETRY)
    compare.close(
        "box in the student's crop px",
        _windows(stored, "aug_").to_crop(pseudo.boxes_xywh),
        stored["transform_to_aug_crop"],
        **GEOMETRY,
    )
    compare.equal("accepted", accept(ious, 0.85), stored["aug_success"])

    names = [f"Seq_{i}" for i in range(count)]
    with temporary_store(names) as store:
        writer = store.writer()
        record_found(writer, pseudo)
        records = writer.take_records()
    expected = golden.json("middleware_epoch_state.json")
    theirs = [
        (names.index(name), frame, box, confidence)
        for name, state in expected.items()
        for frame, box, confidence in zip(
            state["relay_frame_ids"], state["bboxes"], state["confidence"], strict=True
        )
    ]
    paths, frames, wanted_boxes, confidences = zip(*sorted(theirs), strict=True)
    compare.equal(
        "recorded frames",
        [records["path"].tolist(), records["frame"].tolist()],
        [list(paths), list(frames)],
    )
    compare.close("recorded box (kept to 0.1 px)", records["box_xywh"], wanted_boxes, 0.05 + 1e-4)
    compare.close(
        "recorded confidence (kept to 1e-4)", records["units"] / UNITS, confidences, 0.5e-4 + 1e-7
    )


@dataclass(frozen=True)
class Subject:
    """A network in training: how it is filled, its crops, the teacher's window, and how it
    learns.
    """

    filled: Callable[[int], nn.Module]
    template: int
    search: int
    window_weight: float
    optim: OptimConfig
    gradients: float = GRADIENTS


SUBJECTS = {
    "transt": Subject(filled_network, 128, 256, 0.40, OptimConfig()),
    "ocean": Subject(
        lambda seed: filled_ocean(seed, "plain_box"),
        127,
        255,
        0.30,
        OptimConfig(method="sgd", lr=1e-3, lr_backbone=1e-4, max_grad_norm=25, unfreeze_epoch=2),
        OCEAN_GRADIENTS,
    ),
}


@check("train_step_{}_teacher", "train_step_{}.npz", variants=list(SUBJECTS))
def teacher_boxes(golden: Golden, compare: Comparison, name: str) -> None:
    """Pseudo-labels of real crops: in eval mode, and in train mode as the reference has it."""
    stored, subject = golden.arrays(f"train_step_{name}.npz"), SUBJECTS[name]
    net = subject.filled(golden.seed)
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
        compare.close(
            f"{mode} mode box px",
            found.boxes_xywh,
            stored[f"teacher_{mode}.best_bbox"],
            TEACHER_BOXES,
        )
        compare.close(
            f"{mode} mode score", found.scores, stored[f"teacher_{mode}.best_score"], BOXES
        )
        compare.close(
            f"{mode} mode predicted IoU", found.ious, stored[f"teacher_{mode}.best_conf"], BOXES
        )


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
    stored, numbers = (
        golden.arrays(f"train_step_{name}.npz"),
        golden.json(f"train_step_{name}.json"),
    )
    subject, architecture = SUBJECTS[name], get_architecture(name, reference_targets=True)
    net = subject.filled(golden.seed)
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

    expected = dict(numbers[f"{stage}.stats"])
    compare.close("loss", loss, numbers[f"{stage}.loss"], relative=LOSSES)
    compare.close("loss", stats["Loss/total"], expected.pop("Loss/total"), relative=LOSSES)
    for name, value in expected.items():
        key = name.replace("Loss/", "loss_")
        if name in stats and name.startswith("iou_"):
            ours = stats[name]
        else:  # the reference reports the mean of both halves, ours those of each
            ours = sum(part[key] for part in parts if key in part) / sum(
                key in part for part in parts
            )
        what, tolerance = (
            ("parts of the loss", LOSSES) if name.startswith("Loss/") else ("mean IoU", MEAN_IOU)
        )
        compare.close(what, ours, value, relative=tolerance)

    parameters = dict(net.named_parameters())
    norms = numbers[f"{stage}.grad_norms"]
    compare.equal(
        "parameters with gradient",
        sorted(n for n, p in parameters.items() if p.grad is not None),
        sorted(norms),
    )
    compare.close(
        "gradient norms",
        [parameters[name].grad.norm().item() for name in norms],
        list(norms.values()),
        **GRADIENT_NORMS,
    )
    for name in stored.names(f"{stage}.grad/"):
        theirs = stored[f"{stage}.grad/{name}"]
        compare.close(
            "gradients", parameters[name].grad.flatten()[: theirs.size], theirs, subject.gradients
        )
    if subject.optim.max_grad_norm is not None:
        norm = nn.utils.clip_grad_norm_(net.parameters(), subject.optim.max_grad_norm)
        compare.close(
            "gradient norm before clipping",
            norm,
            numbers[f"{stage}.total_grad_norm_before_clip"],
            relative=1e-3,
        )
    optimizer.step()
    if subject.optim.unfreeze_epoch is not None:  # the network is one object for all checks
        architecture.backbone(net).freeze(False)
    state = net.state_dict()
    for name in stored.names(f"{stage}.after/"):
        theirs = stored[f"{stage}.after/{name}"]
        what, tolerance = "parameters", GRADIENTS
        if "running" in name:
            what, tolerance = "batch norm statistics", STATISTICS
        elif "num_batches" in name:
            what, tolerance = "batch norm counters", 0
        compare.close(
            f"{what} after the step", state[name].flatten()[: theirs.size], theirs, tolerance
        )


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
    triplets = _triplets(
        same,
        relays=_crops(golden, name, "relay"),
        augmented=augmented,
        augmented_fills=augmented.double().mean((2, 3)).float(),
    )
    yes = torch.ones(count, dtype=torch.bool)
    found = PseudoLabels(boxes, torch.ones(count), yes, ~yes, triplets.paths, triplets.frame_ids)
    return SparseBatch(pairs, triplets), found


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


def _windows(stored: Arrays, prefix: str) -> Windows:
    boxes, scales = (
        torch.from_numpy(stored[prefix + name]).double()
        for name in ("box_extract", "resize_factor")
    )
    return Windows(boxes[:, :2] + boxes[:, 2:] / 2, scales[:, None], 256)


def _triplets(windows: Windows, **given: Tensor) -> TripletBatch:
    """Triplets of unlabelled frames without bounds, whose crops are empty unless given."""
    count = len(windows.centers)
    empty = torch.zeros(count, 3, 8, 8, dtype=torch.uint8)
    values = {
        "paths": torch.zeros(count, dtype=torch.long),
        "frame_ids": torch.zeros(count, dtype=torch.long),
        "frame_sizes": torch.full((count, 2), torch.inf, dtype=torch.float64),
        "keys": empty,
        "unlabelled": empty,
        "unlabelled_windows": windows,
        "relays": empty,
        "augmented": empty,
        "augmented_fills": torch.zeros(count, 3),
        "augmented_windows": windows,
        "labels_xywh": torch.full((count, 4), torch.nan, dtype=torch.float64),
    }
    return TripletBatch(**{**values, **given})
