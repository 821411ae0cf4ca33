"""Ocean's labels and losses: plain loops over samples and positions as the yardstick, borders, and
where gradients go.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import ocean_smooth_iou
from ltr.models.loss.ocean_criterion import OceanCriterion, ocean_labels
from ltr.models.tracking.ocean import grid

SIZES = {"published": (25, 255), "small": (9, 127), "even map": (10, 135)}
LOSSES = ("loss_ce", "loss_bbox", "loss_align", "loss_iou_pred", "iou")


def looped_labels(box, cells, crop, radius=2, growth=0.2, reference=False):
    """The definitions, one position at a time."""
    x, y, w, h = box
    line = [8 * (i - (cells - 1) / 2) + (crop - 1) / 2 for i in range(cells)]
    if reference:
        column, row = (int((c - crop / 2) / 8) + (cells - 1) // 2 for c in (x + w / 2, y + h / 2))
    else:
        column, row = (round((c - line[0]) / 8) for c in (x + w / 2, y + h / 2))
    found = {
        "positive": torch.zeros(cells, cells, dtype=torch.bool),
        "inside": torch.zeros(cells, cells, dtype=torch.bool),
        "around": torch.zeros(cells, cells, dtype=torch.bool),
        "ltrb": torch.zeros(4, cells, cells),
    }
    for i, gy in enumerate(line):
        for j, gx in enumerate(line):
            found["positive"][i, j] = abs(i - row) + abs(j - column) <= radius
            found["inside"][i, j] = x < gx < x + w and y < gy < y + h
            found["around"][i, j] = (x - growth * w < gx < x + w + growth * w) and (
                y - growth * h < gy < y + h + growth * h
            )
            found["ltrb"][:, i, j] = torch.tensor([gx - x, gy - y, x + w - gx, y + h - gy])
    return found


def looped_losses(outputs, boxes_xywh, cells, crop):
    positives, negatives, bbox, align, ious, known = [], [], [], [], [], []
    for sample, box in enumerate(boxes_xywh.tolist()):
        labels = looped_labels(box, cells, crop)
        for i in range(cells):
            for j in range(cells):
                logit, fit = (
                    outputs["pred_logits"][sample, 0, i, j],
                    outputs["align_logits"][sample, 0, i, j],
                )
                predicted, wanted = outputs["pred_boxes"][sample, :, i, j], labels["ltrb"][:, i, j]
                (positives if labels["positive"][i, j] else negatives).append(
                    torch.nn.functional.softplus(-logit if labels["positive"][i, j] else logit)
                )
                sides = [
                    max(
                        min(predicted[k], wanted[k]) + min(predicted[k + 2], wanted[k + 2]),
                        torch.tensor(0.0),
                    )
                    for k in (0, 1)
                ]
                overlap = sides[0] * sides[1]
                union = (
                    box[2] * box[3]
                    + (predicted[0] + predicted[2]) * (predicted[1] + predicted[3])
                    - overlap
                )
                iou = (overlap + 1) / (union + 1)
                target = iou if labels["inside"][i, j] else 0
                align.append(torch.nn.functional.softplus(fit) - fit * target)
                if labels["inside"][i, j]:
                    bbox.append(-iou.log())
                    ious.append(iou)
                if labels["around"][i, j]:
                    known.append((outputs["pred_ious"][sample, 0, i, j] - iou).abs())
    mean = lambda values: torch.stack(values).mean()  # noqa: E731
    return {
        "loss_ce": 0.5 * mean(positives) + 0.5 * mean(negatives),
        "loss_bbox": mean(bbox),
        "loss_align": mean(align),
        "loss_iou_pred": mean(known),
        "iou": mean(ious),
    }


def random_outputs(batch=1, cells=25, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    return {
        "pred_logits": torch.randn(batch, 1, cells, cells, generator=draw).to(dtype),
        "align_logits": torch.randn(batch, 1, cells, cells, generator=draw).to(dtype),
        "pred_boxes": (4 * torch.rand(batch, 4, cells, cells, generator=draw) + 0.5)
        .exp()
        .to(dtype),
        "pred_ious": torch.rand(batch, 1, cells, cells, generator=draw).to(dtype),
    }


def cxcywh(boxes_xywh, crop=255):
    boxes = torch.as_tensor(boxes_xywh, dtype=torch.float32).reshape(-1, 4)
    return torch.cat([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], 1) / crop


# ---------------------------------------------------------------- labels


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(-800, 2400)] * 2, *[st.integers(0, 1600)] * 2),
    st.sampled_from(list(SIZES)),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.25, 1.0]),
)
def test_labels_equal_the_loop(eighths, size, reference, radius, growth):
    """Boxes in eighths of a pixel, so that a side may fall on a position: no rounding hides or
    makes a difference.
    """
    cells, crop = SIZES[size]
    box = [value / 8 for value in eighths]
    labels = ocean_labels(
        torch.tensor([[30.0, 40, 50, 60], box]), cells, crop, radius, growth, reference
    )
    expected = looped_labels(box, cells, crop, radius, growth, reference)
    for name in ("positive", "inside", "around"):
        assert torch.equal(getattr(labels, name)[1], expected[name]), name
    torch.testing.assert_close(labels.ltrb[1], expected["ltrb"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "box, positives, inside, around, in_reference",
    [
        ((95, 95, 64, 64), 13, 7 * 7, 11 * 11, 13),
        ((122, 122, 4, 4), 13, 0, 0, 13),
        ((125, 125, 4, 4), 13, 1, 1, 13),
        ((127, 127, 0, 0), 13, 0, 0, 13),
        ((-50, -50, 355, 355), 13, 625, 625, 13),
        ((15, 15, 32, 32), 6, 4, 9, 6),
        ((400, 400, 30, 30), 0, 0, 0, 0),
        ((233, 121, 12, 12), 1, 0, 0, 4),
        ((-20, 100, 40, 64), 0, 0, 0, 0),
        ((100, 100, 62, 62), 13, 64, 100, 13),
    ],
    ids=[
        "centred",
        "smaller than a cell",
        "one position",
        "empty",
        "larger than the crop",
        "in the corner",
        "far outside",
        "past the last position",
        "across the border",
        "off the grid",
    ],
)
def test_counts_of_positions(box, positives, inside, around, in_reference):
    labels = ocean_labels(torch.tensor([box], dtype=torch.float32), 25, 255)
    assert [int(mask.sum()) for mask in (labels.positive, labels.inside, labels.around)] == [
        positives,
        inside,
        around,
    ]
    assert (
        ocean_labels(
            torch.tensor([box], dtype=torch.float32), 25, 255, reference=True
        ).positive.sum()
        == in_reference
    )


@pytest.mark.parametrize(
    "centre, ours, reference",
    [
        (127.0, 12, 12),
        (130.9, 12, 12),
        (131.5, 13, 12),
        (134.9, 13, 12),
        (135.5, 13, 13),
        (122.0, 11, 12),
        (119.5, 11, 11),
        (119.6, 11, 12),
    ],
)
def test_own_cell_is_the_nearest_and_in_the_reference_the_one_towards_the_centre(
    centre, ours, reference
):
    for switch, cell in ((False, ours), (True, reference)):
        labels = ocean_labels(
            torch.tensor([[centre - 20, 107.0, 40, 40]]), 25, 255, radius=0, reference=switch
        )
        assert labels.positive.nonzero().tolist() == [[0, 12, cell]]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 110), min_size=4, max_size=4),
    st.lists(st.floats(-150, 150), min_size=2, max_size=2),
    st.lists(st.floats(0, 200), min_size=2, max_size=2),
)
def test_overlap_is_between_0_and_1_also_of_boxes_apart(predicted, low, size):
    ltrb, target = (
        torch.tensor(values, dtype=torch.float64).view(1, 4, 1, 1)
        for values in (predicted, [-low[0], -low[1], low[0] + size[0], low[1] + size[1]])
    )
    sides = [
        max(0, min(predicted[k + 2], low[k] + size[k]) - max(-predicted[k], low[k])) for k in (0, 1)
    ]
    overlap = math.prod(sides)
    union = (
        math.prod(size) + (predicted[0] + predicted[2]) * (predicted[1] + predicted[3]) - overlap
    )
    iou = ocean_smooth_iou(ltrb, target).item()
    assert 0 < iou <= 1 + 1e-9 and iou == pytest.approx((overlap + 1) / (union + 1))


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("size", ["published", "small", "even map"])
def test_batched_losses_equal_the_loop(size):
    cells, crop = SIZES[size]
    boxes = (
        torch.tensor([[0.30, 0.35, 0.30, 0.25], [0.1, 0.1, 0.55, 0.3], [0.6, 0.5, 0.5, 0.1]]) * crop
    )
    outputs = random_outputs(3, cells)
    losses = OceanCriterion(crop)(outputs, cxcywh(boxes, crop), with_iou=True)
    expected = looped_losses(outputs, boxes, cells, crop)
    for name in LOSSES:
        torch.testing.assert_close(losses[name], expected[name], rtol=1e-4, atol=1e-5)
    total = sum(expected[name] for name in LOSSES[:3]) + 0.5 * expected["loss_iou_pred"]
    torch.testing.assert_close(losses["total"], total, rtol=1e-4, atol=1e-5)
    unlabelled = OceanCriterion(crop)(outputs, cxcywh(boxes, crop), with_iou=False)
    assert "loss_iou_pred" not in unlabelled
    torch.testing.assert_close(
        unlabelled["total"], total - 0.5 * expected["loss_iou_pred"], rtol=1e-4, atol=1e-5
    )


TARGETS = {
    "smaller than a cell": (122, 122, 4, 4),
    "empty": (127, 127, 0, 0),
    "empty, on a cell's side": (127, 100, 0, 50),
    "far outside": (400, 400, 30, 30),
    "across the border": (-20, 100, 44, 64),
    "larger than the crop": (-9, -9, 300, 300),
}


@pytest.mark.parametrize("box", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("side", [1e-6, 1.0, 110.0])
def test_losses_and_gradients_are_finite(box, side):
    outputs = {name: value.requires_grad_() for name, value in random_outputs().items()}
    outputs["pred_boxes"] = torch.full_like(outputs["pred_boxes"], side).requires_grad_()
    losses = OceanCriterion()(outputs, cxcywh(box), with_iou=True)
    losses["total"].backward()
    assert all(value.isfinite() for value in losses.values()) and 0 <= losses["iou"] <= 1
    assert all(value.grad.isfinite().all() for value in outputs.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_outputs_are_judged_in_float32(dtype):
    """Overlaps of boxes of 200 px do not fit into float16: the losses are those of the same numbers
    as float32.
    """
    half = random_outputs(2, dtype=dtype)
    half["pred_boxes"][:, :, :12] = 108
    boxes = cxcywh([[40, 50, 170, 160], [100, 90, 40, 60]])
    losses = OceanCriterion()(half, boxes.to(dtype), with_iou=True)
    expected = OceanCriterion()(
        {name: value.float() for name, value in half.items()}, boxes.to(dtype).float(), True
    )
    assert all(
        losses[name].dtype == torch.float32 and torch.equal(losses[name], expected[name])
        for name in expected
    )


def gradient_of(part, boxes=((95, 95, 64, 64),), **options):
    """Of one loss with respect to each output."""
    outputs = {name: value.requires_grad_() for name, value in random_outputs(len(boxes)).items()}
    OceanCriterion(**options)(outputs, cxcywh(boxes), with_iou=True)[part].backward()
    return {
        name
        for name, value in outputs.items()
        if value.grad is not None and value.grad.abs().max() > 0
    }


@pytest.mark.parametrize(
    "part, reached",
    [
        ("loss_ce", {"pred_logits"}),
        ("loss_bbox", {"pred_boxes"}),
        ("loss_align", {"align_logits", "pred_boxes"}),
        ("loss_iou_pred", {"pred_ious"}),
    ],
)
@pytest.mark.parametrize("reference", [False, True], ids=["ours", "reference"])
def test_each_loss_teaches_its_own_head_and_the_align_loss_the_boxes_too(part, reached, reference):
    assert gradient_of(part, reference=reference) == reached


# ---------------------------------------------------------------- the reference's ways


def both(boxes, outputs=None, **changes):
    outputs = random_outputs(len(boxes)) if outputs is None else outputs
    return [
        OceanCriterion(reference=reference, **changes)(outputs, cxcywh(boxes), True)
        for reference in (False, True)
    ]


def test_reference_agrees_where_its_definitions_do():
    """A target whose cell both take, and growth 0: then the IoU is predicted where it is
    regressed.
    """
    ours, reference = both([(95, 95, 64, 64), (80, 90, 94, 74)], growth=0.0)
    for name in (*LOSSES, "total"):
        torch.testing.assert_close(ours[name], reference[name])


def test_a_single_positive_counts_and_in_the_reference_it_does_not():
    outputs = random_outputs()
    ours, reference = both([(95, 95, 64, 64)], outputs, radius=0)
    negatives = torch.nn.functional.softplus(outputs["pred_logits"])
    negatives[0, 0, 12, 12] = 0
    torch.testing.assert_close(reference["loss_ce"], 0.5 * negatives.sum() / 624)
    positive = torch.nn.functional.softplus(-outputs["pred_logits"][0, 0, 12, 12])
    torch.testing.assert_close(ours["loss_ce"], 0.5 * negatives.sum() / 624 + 0.5 * positive)


def test_without_a_positive_the_background_is_learned_and_in_the_reference_nothing():
    outputs = random_outputs()
    ours, reference = both([(400, 400, 30, 30)], outputs)
    torch.testing.assert_close(
        ours["loss_ce"], 0.5 * torch.nn.functional.softplus(outputs["pred_logits"]).mean()
    )
    assert (
        reference["loss_ce"] == 0
        and reference["loss_iou_pred"].isnan()
        and reference["total"].isnan()
    )
    assert ours["loss_iou_pred"] == 0 and ours["total"].isfinite()


def test_around_the_box_the_real_iou_is_expected_and_in_the_reference_0():
    outputs = random_outputs()
    outputs["pred_boxes"][:] = 40.0  # overlap of positions just outside is far from 0
    labels = ocean_labels(torch.tensor([[95.0, 95, 64, 64]]), 25, 255)
    iou = ocean_smooth_iou(outputs["pred_boxes"], labels.ltrb)
    assert iou[labels.around].min() > 0.1
    outputs["pred_ious"] = iou[:, None]
    ours, reference = both([(95, 95, 64, 64)], outputs)
    assert ours["loss_iou_pred"] == pytest.approx(0, abs=1e-6)
    ring = labels.around & ~labels.inside
    torch.testing.assert_close(reference["loss_iou_pred"], iou[ring].sum() / labels.around.sum())


def test_missing_iou_head_is_named():
    outputs = random_outputs()
    del outputs["pred_ious"]
    with pytest.raises(BadValue, match="iou_head=True"):
        OceanCriterion()(outputs, cxcywh((95, 95, 64, 64)), with_iou=True)


def test_labels_are_on_the_grid_of_the_network():
    labels = ocean_labels(torch.tensor([[0.0, 0, 20, 20]]), 25, 255)
    line = grid(25, 255, labels.ltrb)
    assert torch.equal(labels.ltrb[0, 0, 5], line) and torch.equal(labels.ltrb[0, 1, :, 5], line)
