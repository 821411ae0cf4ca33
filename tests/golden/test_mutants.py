"""The tolerances still see errors: every mutant of the library fails its check.

Each mutant is a mistake that someone porting a network or a formula could make. The checks run on
the committed numbers; `python -m tests.kernels` repeats them under the kernels of other CPUs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ltr.data import crops
from ltr.models.loss import transt_criterion
from ltr.models.tracking import ocean
from pytracking.features import net_wrappers
from spot_ext.training import augmentation, teacher
from tests.golden.checks import CHECKS, train_step
from tests.golden.folder import COMMITTED, Golden

BY_NAME = {check.name: check for check in CHECKS}
Patch = pytest.MonkeyPatch


class MutantGolden(Golden):
    """The committed numbers, with a network that is broken before each check."""

    def __init__(self, break_network: Callable[[nn.Module], None] | None = None):
        super().__init__(COMMITTED / "seed0")
        self.break_network = break_network

    def network(self, net: nn.Module) -> nn.Module:
        """Break the network."""
        if self.break_network is not None:
            self.break_network(net)
        return net


def wrong_dilation(patch: Patch) -> MutantGolden:
    """The first block of layer 3 is not dilated."""

    def break_network(net: nn.Module) -> None:
        convolution = net.backbone[0].body.layer3[0].conv2
        assert convolution.dilation == (2, 2)
        patch.setattr(convolution, "dilation", (1, 1))
        patch.setattr(convolution, "padding", (1, 1))

    return MutantGolden(break_network)


def missing_position_code(patch: Patch) -> MutantGolden:
    """Templates have no position code."""

    def break_network(net: nn.Module) -> None:
        position_code = net.backbone[1]
        original = position_code.forward

        def without_template(features):
            code = original(features)
            return torch.zeros_like(code) if code.shape[-1] == 16 else code

        patch.setattr(position_code, "forward", without_template)

    return MutantGolden(break_network)


def swapped_mean(patch: Patch) -> MutantGolden:
    """The mean colour is subtracted in the order blue, green, red."""
    patch.setattr(augmentation, "IMAGENET_MEAN", tuple(reversed(augmentation.IMAGENET_MEAN)))
    normalisation = net_wrappers._normalisation
    patch.setattr(
        net_wrappers,
        "_normalisation",
        lambda mean, *others: normalisation(tuple(reversed(mean)), *others),
    )
    return MutantGolden()


def wrong_eps(patch: Patch) -> MutantGolden:
    """Batch norms add 1e-3 to the variance, which is another framework's default."""

    def break_network(net: nn.Module) -> None:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                patch.setattr(module, "eps", 1e-3)

    return MutantGolden(break_network)


def unscaled_attention(patch: Patch) -> MutantGolden:
    """Attention does not divide by the root of the dimension."""
    original = F.scaled_dot_product_attention

    def unscaled(*args, **kwargs):
        return original(*args, **kwargs, scale=1.0)

    patch.setattr(F, "scaled_dot_product_attention", unscaled)
    return MutantGolden()


def flipped_align_corners(patch: Patch) -> MutantGolden:
    """Turned crops take -1 and 1 for the centres of the outer pixels."""
    original = F.grid_sample

    def flipped(*args, align_corners, **kwargs):
        return original(*args, align_corners=not align_corners, **kwargs)

    patch.setattr(F, "grid_sample", flipped)
    return MutantGolden()


def periodic_window(patch: Patch) -> MutantGolden:
    """The Hann window is the periodic one."""
    original = torch.hann_window
    patch.setattr(torch, "hann_window", lambda size, periodic: original(size, periodic=True))
    return MutantGolden()


def wrong_class_weight(patch: Patch) -> MutantGolden:
    """The background's weight is DETR's 0.1 and not 1/16."""
    original = transt_criterion.TransTCriterion.__init__

    def with_other_weight(self, *args, **kwargs):
        original(self, *args, **{**kwargs, "background": 0.1})

    patch.setattr(transt_criterion.TransTCriterion, "__init__", with_other_weight)
    return MutantGolden()


def half_a_pixel(patch: Patch) -> MutantGolden:
    """A crop's centre is half its size and not half its size less one."""
    original = crops.CropWindow.to_crop

    def moved(self, boxes_xywh):
        boxes = original(self, boxes_xywh).copy()
        boxes[..., :2] += 0.5
        return boxes

    patch.setattr(crops.CropWindow, "to_crop", moved)
    return MutantGolden()


def wrong_average(patch: Patch) -> MutantGolden:
    """The teacher keeps 0.999 of its weights and not 0.998."""
    original = teacher.Teacher.update
    patch.setattr(
        teacher.Teacher,
        "update",
        lambda self, student, keep: original(self, student, 0.999 if keep else keep),
    )
    return MutantGolden()


def swapped_offsets(patch: Patch) -> MutantGolden:
    """Offsets of the deformable convolution are (x, y)."""
    original = ocean.box_offsets

    def swapped(ltrb):
        return original(ltrb).unflatten(1, (9, 2)).flip(2).flatten(1, 2)

    patch.setattr(ocean, "box_offsets", swapped)
    return MutantGolden()


def undilated_encoding(patch: Patch) -> MutantGolden:
    """Ocean's tall view is not dilated."""

    def break_network(net: nn.Module) -> None:
        for module in net.modules():
            if isinstance(module, nn.Conv2d) and module.dilation == (2, 1):
                patch.setattr(module, "dilation", (1, 1))

    return MutantGolden(break_network)


def halved_rate(patch: Patch) -> MutantGolden:
    """The learning rate is halved."""
    original = train_step.make_optimizer

    def slower(*args):
        optimizer = original(*args)
        for group in optimizer.param_groups:
            group["lr"] /= 2
        return optimizer

    patch.setattr(train_step, "make_optimizer", slower)
    return MutantGolden()


def without_clipping(patch: Patch) -> MutantGolden:
    """Gradients of the student are a hundredth too large."""
    original = torch.Tensor.backward
    patch.setattr(torch.Tensor, "backward", lambda self: original(self * 1.01))
    return MutantGolden()


FAST = [
    (wrong_dilation, "transt_forward_zm"),
    (missing_position_code, "transt_forward_plain"),
    (swapped_mean, "augment_brightness"),
    (flipped_align_corners, "augment_ellipse"),
    (flipped_align_corners, "augment_affine"),
    (periodic_window, "teacher_decode"),
    (wrong_class_weight, "criterion_transt"),
    (half_a_pixel, "crops"),
    (wrong_average, "ema_keep0.998"),
    (swapped_offsets, "ocean_forward_plain_box"),
]
SLOW = [
    (wrong_dilation, "transt_forward_plain"),
    (wrong_dilation, "tracker_transt_zm_box"),
    (missing_position_code, "transt_forward_zm"),
    (missing_position_code, "train_step_transt_teacher"),
    (swapped_mean, "transt_forward_plain"),
    (swapped_mean, "ocean_forward_plain"),
    (swapped_mean, "tracker_transt_plain"),
    (wrong_eps, "transt_forward_plain"),
    (wrong_eps, "ocean_forward_plain"),
    (wrong_eps, "train_step_ocean_teacher"),
    (unscaled_attention, "transt_forward_plain"),
    (unscaled_attention, "train_step_transt_burnin"),
    (swapped_offsets, "train_step_ocean_teacher"),
    (undilated_encoding, "ocean_forward_plain"),
    (halved_rate, "train_step_transt_burnin"),
    (halved_rate, "train_step_ocean_burnin"),
    (without_clipping, "train_step_ocean_burnin"),
    (without_clipping, "train_step_transt_burnin"),
]


def cases():
    for mutant, check in FAST:
        yield pytest.param(mutant, check, id=f"{mutant.__name__}-{check}")
    for mutant, check in SLOW:
        yield pytest.param(mutant, check, id=f"{mutant.__name__}-{check}", marks=pytest.mark.slow)


@pytest.mark.parametrize(("mutant", "name"), list(cases()))
def test_mutant_fails(mutant, name, monkeypatch):
    golden = mutant(monkeypatch)
    results = BY_NAME[name].results(golden)
    assert not all(result.passed for result in results)
