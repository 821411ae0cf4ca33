"""Boxes in one place: array and tensor versions agree, toolkits differ where they say so."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.geometry import array_boxes, checks, tensor_boxes

coordinates = st.floats(-100, 100)
sides = st.floats(1, 100)
boxes = st.tuples(coordinates, coordinates, sides, sides).map(np.array)


def corners(box_xywh):
    return torch.from_numpy(array_boxes.xywh_to_xyxy(box_xywh))[None]


@given(box=boxes, other=boxes)
def test_one_overlap_in_all_versions(box, other):
    """Tolerance: sums of numbers up to 200 in double precision, divided by an area of at least 1."""
    expected = array_boxes.paired_iou(box, other)
    row, other_row = torch.from_numpy(box)[None], torch.from_numpy(other)[None]
    pairs = tensor_boxes.paired_iou_giou(corners(box), corners(other))
    found = [
        array_boxes.iou_matrix(box[None], other[None])[0, 0],
        array_boxes.iou_of_corners(*(array_boxes.xywh_to_xyxy(b) for b in (box, other))),
        array_boxes.got10k_iou(box[None], other[None], None)[0],
        pairs[0].item(),
        tensor_boxes.atom_iou(row, other_row).item(),
        tensor_boxes.pytracking_iou(row, other_row).item(),
        tensor_boxes.box_iou(corners(box), corners(other))[0].item(),
    ]
    assert found == pytest.approx([expected] * len(found), abs=1e-9)
    assert expected == pytest.approx(array_boxes.paired_iou(other, box), abs=1e-12)


@given(box=boxes)
def test_conversions_come_back(box):
    row = torch.from_numpy(box)[None]
    centred = tensor_boxes.xywh_to_cxcywh(row)
    back = tensor_boxes.xyxy_to_cxcywh(tensor_boxes.cxcywh_to_xyxy(centred))
    assert back.numpy() == pytest.approx(centred.numpy(), abs=1e-9)
    relative = tensor_boxes.rel_to_rect(tensor_boxes.rect_to_rel(row, row[:, 2:]), row[:, 2:])
    assert relative.numpy() == pytest.approx(row.numpy(), abs=1e-9)
    around = array_boxes.around_centers(array_boxes.centers_of(box), box[2:])
    assert around == pytest.approx(box, abs=1e-9)


def test_clipping_cuts_and_the_toolkits_shift():
    box = np.array([[-10.0, 5, 30, 10]])
    frame = torch.tensor([[100.0, 50]], dtype=torch.float64)
    assert tensor_boxes.clip_to_frame(torch.from_numpy(box), frame).tolist() == [[0, 5, 20, 10]]
    assert tensor_boxes.spot_clip(torch.from_numpy(box)).tolist() == [[0, 5, 30, 10]]
    assert array_boxes.got10k_clip(box, (25, 50)).tolist() == [[0, 5, 25, 10]]


@pytest.mark.parametrize(
    ("box", "frame_size", "sentence"),
    [
        ([1, 2, 3], None, r"walk: \[1, 2, 3\] is not four numbers x,y,w,h; correct it"),
        ("1,2,3,4", None, "is not four numbers"),
        ([1, 2, "3", 4], None, "is not four numbers"),
        ([1, 2, True, 4], None, "is not four numbers"),
        ([10**400, 2, 3, 4], None, "is not four numbers"),
        (None, None, "is not four numbers"),
        ([1, 2, 0, 4], None, "walk: 1, 2, 0, 4 is no box x,y,w,h"),
        ([1, 2, 3, -4], None, "is no box"),
        ([1, float("nan"), 3, 4], None, "its numbers must be finite"),
        ([float("inf"), 2, 3, 4], None, "its numbers must be finite"),
        ([100, 2, 3, 4], (100, 50), "the box 100, 2, 3, 4 lies outside its frame of 100x50"),
        ([-3, 2, 3, 4], (100, 50), "outside its frame"),
        ([1, 50, 3, 4], (100, 50), "outside its frame"),
    ],
)
def test_what_is_no_box_is_refused_with_its_numbers(box, frame_size, sentence):
    with pytest.raises(BadValue, match=sentence):
        checks.check_box(box, "walk", frame_size)


def test_a_box_comes_back_as_four_floats():
    box = checks.check_box(np.array([-2, 3, 4, 5], np.float32), "walk", (100, 50))
    assert box == (-2.0, 3.0, 4.0, 5.0)
    assert all(type(value) is float for value in box)
    rows = np.array([[0, 0, 1, 1], [0, 0, 0, 1], [0, 0, np.nan, 1]])
    assert checks.is_box(rows).tolist() == [True, False, False]
    assert checks.first_bad_row(rows) == 1
