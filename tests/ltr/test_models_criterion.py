"""Target assignment and losses: tables of cases, and a plain loop over images and positions as the
yardstick.
"""

from types import SimpleNamespace

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.geometry import tensor_boxes as box_ops
from ltr.models.loss.matcher import TrackingMatcher, build_matcher, target_cells
from ltr.models.loss.transt_criterion import SetCriterion, TransTCriterion
from ltr.models.tracking.transt import transt_loss


def match(box, positions=1024, **options):
    outputs = {"pred_logits": torch.zeros(1, positions, 2)}
    target = {"boxes": torch.tensor([box], dtype=torch.float32), "labels": torch.tensor([0])}
    ((cells, targets),) = TrackingMatcher(**options)(outputs, [target])
    assert (
        cells.dtype == targets.dtype == torch.int64
        and targets.eq(0).all()
        and len(cells) == len(targets)
    )
    return cells.tolist()


# ---------------------------------------------------------------- matcher


@pytest.mark.parametrize(
    "box, matches, matches_in_reference",
    [
        ((0.5, 0.5, 0.2, 0.2), 49, 49),
        ((0.5, 0.5, 0.0, 0.0), 1, 1),
        ((0.5, 0.5, 0.01, 0.01), 1, 1),
        ((0.5, 0.5, 3.0, 3.0), 1024, 1024),
        ((0.0, 0.5, 0.2, 0.2), 4 * 7, 4 * 7),
        ((0.5, 0.0, 0.2, 0.2), 4 * 7, 4 * 7),
        ((1.0, 0.5, 0.2, 0.2), 3 * 7, 3 * 7),
        ((-0.5, 0.5, 0.2, 0.2), 7, 7),
        ((1.5, 0.5, 0.2, 0.2), 7, 0),
        ((0.5, 1.02, 0.2, 0.1), 7, 0),
        ((9.0, 9.0, 0.1, 0.1), 1, 0),
    ],
    ids=[
        "centred",
        "empty",
        "smaller than a cell",
        "larger than the crop",
        "across the left border",
        "across the top",
        "across the right border",
        "left of the crop",
        "right of the crop",
        "below, within the last cell",
        "beyond the corner",
    ],
)
def test_matches(box, matches, matches_in_reference):
    assert len(match(box)) == matches
    assert len(match(box, reference_edges=True)) == matches_in_reference


def test_positions_are_row_major():
    assert match((0.625, 0.375, 0.25, 0.25), positions=16) == [1 * 4 + 2]
    assert match((2.0, 0.375, 0.1, 0.25), positions=16) == [1 * 4 + 3]  # nearest cell


def test_only_square_grids_can_be_matched():
    with pytest.raises(BadValue, match="1000 search positions are not a square grid"):
        match((0.5, 0.5, 0.2, 0.2), positions=1000)


@given(
    st.lists(st.floats(-1, 2, width=32), min_size=2, max_size=2),
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2),
    st.sampled_from([4, 16, 32]),
    st.integers(0, 4),
)
@settings(max_examples=60, deadline=None)
def test_every_box_has_positives_and_they_lie_in_it(centre, size, side, ring):
    box = torch.tensor([*centre, *size])
    inside, around = (mask.view(side, side) for mask in target_cells(box[None], side, ring))
    x1, y1, x2, y2 = (box_ops.cxcywh_to_xyxy(box) * side).tolist()
    expected = torch.tensor(
        [[x1 <= x < x2 and y1 <= y < y2 for x in range(side)] for y in range(side)]
    )
    if expected.any():
        assert torch.equal(inside, expected)
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    assert len(rows) * len(columns) == inside.sum() > 0
    near = torch.zeros_like(inside)
    near[
        max(rows[0] - ring, 0) : rows[-1] + ring + 1,
        max(columns[0] - ring, 0) : columns[-1] + ring + 1,
    ] = True
    assert torch.equal(around, near & ~inside)


# ---------------------------------------------------------------- losses


def random_batch(batch=4, side=8, seed=0):
    make = torch.Generator().manual_seed(seed)
    outputs = {
        "pred_logits": torch.randn(batch, side * side, 2, generator=make),
        "pred_boxes": torch.rand(batch, side * side, 4, generator=make),
        "pred_ious": torch.rand(batch, side * side, 1, generator=make),
    }
    return outputs, torch.rand(batch, 4, generator=make) * 0.5 + 0.2


def looped_losses(outputs, boxes, background=0.0625):
    """The definitions, one image and one position at a time."""
    side = int(outputs["pred_logits"].shape[1] ** 0.5)
    ce, weight_sum, l1, giou, iou, near, ring = 0, 0, [], [], [], [], []
    for image, box in enumerate(boxes):
        inside, around = (mask[0] for mask in target_cells(box[None], side))
        target = torchvision.ops.box_convert(box[None], "cxcywh", "xyxy")
        for cell in range(side * side):
            weight = 1.0 if inside[cell] else background
            ce -= (
                weight
                * outputs["pred_logits"][image, cell].log_softmax(-1)[0 if inside[cell] else 1]
            )
            weight_sum += weight
            predicted = outputs["pred_boxes"][image, cell]
            corners = torchvision.ops.box_convert(predicted[None], "cxcywh", "xyxy")
            overlap = torchvision.ops.box_iou(corners, target)[0, 0]
            error = (outputs["pred_ious"][image, cell, 0] - overlap).abs()
            if inside[cell]:
                l1.append((predicted - box).abs().sum())
                giou.append(1 - torchvision.ops.generalized_box_iou(corners, target)[0, 0])
                iou.append(overlap)
                near.append(error)
            elif around[cell]:
                ring.append(error)
    mean = lambda values: torch.stack(values).mean()  # noqa: E731
    return {
        "loss_ce": ce / weight_sum,
        "loss_bbox": mean(l1),
        "loss_giou": mean(giou),
        "iou": mean(iou),
        "loss_iou_pred": mean(near) + mean(ring),
    }


def test_batched_losses_equal_the_loop():
    outputs, boxes = random_batch()
    losses = TransTCriterion()(outputs, boxes, with_iou=True)
    expected = looped_losses(outputs, boxes)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-5, atol=1e-6)
    weighted = (
        8.334 * expected["loss_ce"]
        + 5 * expected["loss_bbox"]
        + 2 * expected["loss_giou"]
        + expected["loss_iou_pred"]
    )
    torch.testing.assert_close(losses["total"], weighted, rtol=1e-5, atol=1e-5)


def test_set_criterion_gives_the_same_losses_from_lists():
    outputs, boxes = random_batch(seed=1)
    targets = [{"boxes": box[None], "labels": torch.tensor([0])} for box in boxes]
    criterion = transt_loss(SimpleNamespace(device="cuda"))  # no GPU: falls back to the CPU
    criterion.cpu()
    listed, batched = criterion(outputs, targets), TransTCriterion()(outputs, boxes, with_iou=False)
    assert (
        listed.keys()
        == {"loss_ce", "class_error", "loss_bbox", "loss_giou", "iou"}
        == batched.keys() - {"total"}
    )
    for name, value in listed.items():
        torch.testing.assert_close(value, batched[name])
    assert (
        criterion.weight_dict == {"loss_ce": 8.334, "loss_bbox": 5, "loss_giou": 2}
        and criterion.eos_coef == 0.0625
    )


def test_class_error_counts_targets_taken_for_background():
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5]])  # 16 of 64 cells
    inside, _ = target_cells(boxes, 8)
    outputs, _ = random_batch(batch=1)
    outputs["pred_logits"] = torch.where(
        inside[..., None], torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    )
    assert TransTCriterion()(outputs, boxes, False)["class_error"] == 0
    outputs["pred_logits"][0, inside[0].nonzero()[:4]] = torch.tensor([0.0, 1.0])
    assert TransTCriterion()(outputs, boxes, False)["class_error"] == 25


def test_true_iou_is_a_constant_for_the_box_head():
    outputs, boxes = random_batch()
    gradients = []
    for with_iou in (True, False):
        predicted = outputs["pred_boxes"].clone().requires_grad_()
        TransTCriterion()({**outputs, "pred_boxes": predicted}, boxes, with_iou)["total"].backward()
        gradients.append(predicted.grad)
    assert torch.equal(*gradients)


def test_empty_boxes_give_finite_losses_and_gradients():
    outputs, _ = random_batch(batch=1)
    predicted = torch.full_like(outputs["pred_boxes"], 0.5)
    predicted[..., 2:] = 0
    predicted.requires_grad_()
    total = TransTCriterion()(
        {**outputs, "pred_boxes": predicted}, torch.tensor([[0.5, 0.5, 0.0, 0.0]]), True
    )["total"]
    total.backward()
    assert total.isfinite() and predicted.grad.isfinite().all()


def test_background_weight_and_loss_weights_are_options():
    outputs, boxes = random_batch()
    losses = TransTCriterion(ce=1, l1=0, giou=0, iou_pred=0, background=0.5)(outputs, boxes, True)
    torch.testing.assert_close(
        losses["total"], looped_losses(outputs, boxes, background=0.5)["loss_ce"]
    )


def test_missing_iou_head_is_named():
    outputs, boxes = random_batch()
    del outputs["pred_ious"]
    with pytest.raises(BadValue, match="iou_head=True"):
        TransTCriterion()(outputs, boxes, with_iou=True)


def test_unknown_loss_is_named():
    with pytest.raises(BadValue, match="no loss 'box', did you mean 'boxes'"):
        SetCriterion(1, build_matcher(), {}, 0.1, ["labels", "box"])


# ---------------------------------------------------------------- boxes


@given(
    st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4),
    st.lists(st.floats(0.0625, 2, width=32), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_box_arithmetic_agrees_with_torchvision(centres, sizes):
    boxes = torch.tensor([[*centres[:2], *sizes[:2]], [*centres[2:], *sizes[2:]]])
    corners = box_ops.cxcywh_to_xyxy(boxes)
    torch.testing.assert_close(corners, torchvision.ops.box_convert(boxes, "cxcywh", "xyxy"))
    torch.testing.assert_close(box_ops.xyxy_to_cxcywh(corners), boxes, rtol=1e-4, atol=1e-5)
    iou, giou = box_ops.paired_iou_giou(corners[0], corners[1])
    torch.testing.assert_close(iou, torchvision.ops.box_iou(corners[:1], corners[1:])[0, 0])
    torch.testing.assert_close(
        giou, torchvision.ops.generalized_box_iou(corners[:1], corners[1:])[0, 0]
    )


def test_a_box_of_zeros_is_an_absent_target():
    """Every position is background of IoU 0; the boxes there teach nothing, and other samples are
    as without it.
    """
    torch.manual_seed(0)
    outputs = {
        "pred_logits": torch.randn(2, 64, 2),
        "pred_boxes": torch.rand(2, 64, 4),
        "pred_ious": torch.rand(2, 64, 1),
    }
    criterion = TransTCriterion()
    absent = criterion(
        {name: value[1:] for name, value in outputs.items()}, torch.zeros(1, 4), True
    )
    assert absent["loss_bbox"] == absent["loss_giou"] == 0
    assert absent["loss_iou_pred"].item() == pytest.approx(outputs["pred_ious"][1].mean().item())
    off_target = -outputs["pred_logits"][1].log_softmax(-1)[:, 1].mean()
    assert absent["loss_ce"].item() == pytest.approx(off_target.item())
    there = torch.tensor([[0.5, 0.5, 0.3, 0.3]])
    both = criterion(outputs, torch.cat([there, torch.zeros(1, 4)]), True)
    alone = criterion({name: value[:1] for name, value in outputs.items()}, there, True)
    assert both["loss_bbox"] == alone["loss_bbox"] and both["iou"] == alone["iou"]
