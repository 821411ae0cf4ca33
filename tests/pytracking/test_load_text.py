"""Number tables: pytracking's `load_text`, and the box reader that names file and line."""

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile
from pytracking.utils.load_text import load_text, read_boxes, read_flags


@pytest.mark.parametrize("backend", ["numpy", "pandas"])
@pytest.mark.parametrize(
    "text, delimiter",
    [
        ("1,2\n3,4\n", ","),
        ("1\t2\n3\t4\n", ("\t", ",")),
        ("1,2\n3,4\n", ["\t", ","]),
        ("1  2\n3 4\n", None),
        ("1,2\n3,4\n", (None, ",")),
    ],
)
def test_delimiters_are_tried_in_turn(tmp_path, text, delimiter, backend):
    file = tmp_path / "t.txt"
    file.write_text(text)
    table = load_text(file, delimiter=delimiter, dtype=np.float64, backend=backend)
    assert table.tolist() == [[1, 2], [3, 4]] and table.dtype == np.float64


def test_one_line_is_flat_with_numpy_only(tmp_path):
    file = tmp_path / "t.txt"
    file.write_text("1 2 3 4\n")
    assert load_text(file).shape == (4,) and load_text(file).dtype == np.float32
    assert load_text(file, backend="pandas").shape == (1, 4)
    assert load_text(file, backend="other") is None


@pytest.mark.parametrize("text", [None, "1;2\n"])
def test_unreadable_is_named(tmp_path, text):
    file = tmp_path / "t.txt"
    if text:
        file.write_text(text)
    with pytest.raises(Exception, match=f"^Could not read file {file}"):
        load_text(file, delimiter=(",", "\t"))


@pytest.mark.parametrize(
    "text",
    ["1,2,3.5,4\n", "1\t2\t3.5\t4", "1 2 3.5 4\r\n", "1, 2, 3.5, 4\n\n\n", "\ufeff1,2,3.5,4\n"],
    ids=["comma", "tab", "windows", "comma and space", "byte order mark"],
)
def test_boxes_in_any_layout(tmp_path, text):
    (tmp_path / "b.txt").write_bytes(text.encode())
    assert read_boxes(tmp_path / "b.txt").tolist() == [[1, 2, 3.5, 4]]


def test_boxes_may_be_nan_and_have_other_widths(tmp_path):
    (tmp_path / "b.txt").write_text("nan,NaN,nan,nan\n1,2,3,4\n")
    assert np.isnan(read_boxes(tmp_path / "b.txt")[0]).all()
    (tmp_path / "b.txt").write_text("1,2,3,4,5,6,7,8\n")
    assert read_boxes(tmp_path / "b.txt", columns=None).shape == (1, 8)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1,2,3,4\n1,2,3\n", "line 2: 3 numbers where 4 belong"),
        ("1,2,3,4\n1,2,3,4,5\n1,2,3\n", "line 2: 5 numbers"),
        ("1,2,3,4\n\n1,2,3,4\n", "line 2: 0 numbers"),
        ("1,2,3,four\n", "line 1: 'four' is no number"),
        (" \n", "holds no box"),
    ],
)
def test_wrong_line_is_named(tmp_path, text, expected):
    (tmp_path / "b.txt").write_text(text)
    with pytest.raises(BadInput, match=expected):
        read_boxes(tmp_path / "b.txt")


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(MissingFile, match="file not found"):
        read_boxes(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BadInput, match=r"b\.txt cannot be read"):
        read_boxes(tmp_path / "b.txt")


@pytest.mark.parametrize("text", ["0,1,1\n", "0\n1\n1\n", "0 1 1"])
def test_flags(tmp_path, text):
    (tmp_path / "f.txt").write_text(text)
    assert read_flags(tmp_path / "f.txt").tolist() == [False, True, True]


def test_flags_are_zero_or_one(tmp_path):
    (tmp_path / "f.txt").write_text("0,2")
    with pytest.raises(BadValue, match="'2' is neither 0 nor 1"):
        read_flags(tmp_path / "f.txt")
