"""Regions of the VOT challenges: text, conversions, masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from pytracking.evaluation import vot, vot2020
from pytracking.evaluation.vot_regions import make_full_size, mask_to_box

SQUARE = vot.Polygon([vot.Point(1, 2), vot.Point(4, 2), vot.Point(4, 6), vot.Point(1, 6)])
numbers = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))


@pytest.mark.parametrize(
    "text, region",
    [
        pytest.param("1,2,3,4", vot.Rectangle(1, 2, 3, 4), id="commas"),
        pytest.param("1.5 2 3 4\n", vot.Rectangle(1.5, 2, 3, 4), id="spaces"),
        pytest.param("1,2,4,2,4,6,1,6", SQUARE, id="four corners"),
        pytest.param(
            "0,0, 1,0, 0,1",
            vot.Polygon([vot.Point(0, 0), vot.Point(1, 0), vot.Point(0, 1)]),
            id="three corners",
        ),
    ],
)
def test_text_is_read_as_region(text, region):
    assert vot.parse_region(text) == region


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "a,b,c,d"])
def test_other_text_is_no_region(text):
    with pytest.raises(BadValue, match="give 4 numbers"):
        vot.parse_region(text)


@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=9))
def test_polygon_survives_writing_and_reading(corners):
    polygon = vot.Polygon([vot.Point(*corner) for corner in corners])
    assert vot.parse_region(vot.encode_region(polygon)) == polygon


@given(st.tuples(numbers, numbers, st.floats(0, 1e3), st.floats(0, 1e3)))
def test_rectangle_survives_the_way_over_a_polygon(values):
    rectangle = vot.Rectangle(*values)
    back = vot.convert_region(vot.convert_region(rectangle, "polygon"), "rectangle")
    assert back == pytest.approx(rectangle, abs=1e-9)


@pytest.mark.parametrize(
    "region, to, expected",
    [
        pytest.param(SQUARE, "rectangle", vot.Rectangle(1, 2, 3, 4), id="hull"),
        pytest.param(
            vot.Rectangle(1, 2, 3, 4), "polygon", SQUARE, id="corners clockwise from top left"
        ),
        pytest.param(SQUARE, "polygon", SQUARE, id="polygon stays"),
        pytest.param(
            vot.Rectangle(1, 2, 3, 4), "rectangle", vot.Rectangle(1, 2, 3, 4), id="rectangle stays"
        ),
    ],
)
def test_convert_region(region, to, expected):
    assert vot.convert_region(region, to) == expected


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: vot.convert_region(SQUARE, "circle"), id="unknown kind"),
        pytest.param(lambda: vot.convert_region([1, 2, 3, 4], "rectangle"), id="a list to convert"),
        pytest.param(lambda: vot.encode_region(np.zeros((2, 2))), id="a mask as text"),
    ],
)
def test_what_is_no_region_is_one_sentence(call):
    with pytest.raises(BadValue, match=r"^VOT region: .* use "):
        call()


@pytest.mark.parametrize("size", [(6, 5), (2, 2), (6, 2), (2, 5), (4, 3)], ids=str)
def test_make_full_size_pads_and_cuts_right_and_below(size):
    mask = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    full = vot2020.make_full_size(mask, size)
    width, height = size
    assert full.shape == (height, width) and full.dtype == np.uint8
    assert (full[:3, :4] == mask[:height, :width]).all() and full[3:].sum() + full[:, 4:].sum() == 0


@given(st.integers(0, 9), st.integers(0, 7), st.integers(1, 6), st.integers(1, 5))
def test_box_of_a_mask_counts_its_last_pixels(x, y, w, h):
    mask = np.zeros((12, 15), np.uint8)
    mask[y : y + h, x : x + w] = 1
    assert mask_to_box(mask) == [x, y, min(w, 15 - x), min(h, 12 - y)]


def test_empty_mask_has_no_box():
    assert mask_to_box(make_full_size(np.zeros((3, 3), np.uint8), (5, 5))) is None
