"""SPOT's training: averaging the teacher, and recording pseudo-labels."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ltr.data.seeding import torch_generator
from ltr.models.tracking.transt import TransT, transt_resnet50
from spot_ext.training.actor import SparseActor
from spot_ext.training.architectures import get_architecture
from spot_ext.training.augmentation import AugmentConfig
from spot_ext.training.config import SparseConfig
from spot_ext.training.data.samples import TripletBatch, Windows
from spot_ext.training.epoch_run import record_found
from spot_ext.training.pseudo_labels.writer import UNITS
from spot_ext.training.teacher import PseudoBox, Teacher, accept
from tests.golden import formulas
from tests.golden.checks.networks import filled_network
from tests.golden.checks.places import temporary_store
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Arrays, Golden
from tests.golden.tolerances import RELATIVE

# px, and share of 1: the store keeps boxes to 0.1 px and confidences to 1e-4
HALF_A_STORED_PIXEL = 0.05
HALF_A_STORED_UNIT = 0.5e-4


@functools.lru_cache(maxsize=1)
def _other_network() -> TransT:
    return transt_resnet50(iou_head=True)


@check("ema_keep{}", "ema_keep{}.npz", variants=["0.998", "0.0"])
def averaging(golden: Golden, compare: Comparison, keep: str) -> None:
    """The teacher after one update; counters are averaged as in the reference."""
    stored = golden.arrays(f"ema_keep{keep}.npz")
    student = golden.network(filled_network(golden.seed))
    teacher = Teacher(
        golden.network(formulas.fill(_other_network().float(), golden.seed + 100)),
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
            compare.close("counters" if "num_batches" in name else f"entries {which}", ours, theirs)

    entries("student", student)
    entries("teacher_before", teacher.net)
    teacher.update(student, float(keep))
    entries("teacher_after", teacher.net)
    total = sum(
        value.double().abs().sum().item()
        for value in teacher.net.state_dict().values()
        if value.is_floating_point()
    )
    compare.close("sum of all entries", total, stored["abs_sum_all_float"], kind=RELATIVE)


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
    batch = triplets(
        _windows(stored, ""), paths=torch.arange(count), frame_ids=100 + torch.arange(count)
    )
    pseudo = actor.pseudo_label(batch, torch_generator(0))
    compare.close("box in the frame px", pseudo.boxes_xywh, stored["recovered"])
    compare.close(
        "box in the student's crop px",
        _windows(stored, "aug_").to_crop(pseudo.boxes_xywh),
        stored["transform_to_aug_crop"],
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
    compare.close(
        "recorded box (kept to 0.1 px)",
        records["box_xywh"],
        wanted_boxes,
        slack=HALF_A_STORED_PIXEL,
    )
    compare.close(
        "recorded confidence (kept to 1e-4)",
        records["units"] / UNITS,
        confidences,
        slack=HALF_A_STORED_UNIT,
    )


def _windows(stored: Arrays, prefix: str) -> Windows:
    boxes, scales = (
        torch.from_numpy(stored[prefix + name]).double()
        for name in ("box_extract", "resize_factor")
    )
    return Windows(boxes[:, :2] + boxes[:, 2:] / 2, scales[:, None], 256)


def triplets(windows: Windows, **given: Tensor) -> TripletBatch:
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
