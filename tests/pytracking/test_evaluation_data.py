"""Sequence and SequenceList: what trackers are told, and how lists are indexed."""

import pickle

import numpy as np
import pytest

from ltr.admin.errors import BadValue
from pytracking.evaluation.data import LazySequence, Sequence, SequenceList, lazy_list


def boxes(count: int, first: float = 10) -> np.ndarray:
    return np.array([[first + i, 10, 20, 20] for i in range(count)], dtype=np.float64)


def sequence(name: str = "s", count: int = 5, **kwargs) -> Sequence:
    return Sequence(name, [f"f{i}" for i in range(count)], "otb", boxes(count), **kwargs)


def test_plain_sequence_tells_the_first_box_only():
    seq = sequence()
    assert seq.init_info() == {"init_bbox": [10, 10, 20, 20]} and isinstance(
        seq.init_info()["init_bbox"], list
    )
    assert (
        seq.frame_info(3) == {} and seq.init_bbox() == [10, 10, 20, 20] and seq.init_mask() is None
    )
    assert repr(seq) == "Sequence s, length=5 frames"


def test_several_objects_may_start_late():
    truth = {"1": boxes(5), "2": boxes(5)}
    init = {
        1: {"bbox": {"1": np.arange(4.0)}, "object_ids": ["1"]},
        3: {"bbox": {"2": np.ones(4)}, "object_ids": ["2"]},
    }
    seq = Sequence(
        "m",
        list("abcde"),
        "DAVIS",
        truth,
        init_data=init,
        object_ids=["1", "2"],
        multiobj_mode=True,
    )
    assert len(seq.frames) == 4 and all(len(rows) == 4 for rows in seq.ground_truth_rect.values())
    assert seq.frame_info(2)["init_object_ids"] == ["2"] and seq.frame_info(2)["init_bbox"] == {
        "2": [1, 1, 1, 1]
    }


def test_one_of_several_boxes_is_picked_in_single_object_mode():
    seq = Sequence(
        "s",
        ["f"],
        "DAVIS",
        boxes(1),
        init_data={0: {"bbox": {"7": [1, 2, 3, 4], "8": [0, 0, 1, 1]}}},
        object_ids=["7"],
    )
    assert seq.init_info()["init_bbox"] == [1, 2, 3, 4]
    with pytest.raises(BadValue, match="sequence s: 2 objects, but multiobj_mode is off"):
        Sequence("s", ["f"], "DAVIS", boxes(1), object_ids=["1", "2"])


@pytest.mark.parametrize(
    "object_ids, expected", [(["2"], [[0, 1], [0, 0]]), (None, [[0, 2], [1, 0]])]
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_start_mask(tmp_path, object_ids, expected, on_disk):
    mask = np.array([[0, 2], [1, 0]], np.uint8)
    if on_disk:
        from ltr.data.image_loader import imwrite_indexed

        imwrite_indexed(str(tmp_path / "m.png"), mask)
        mask = str(tmp_path / "m.png")
    seq = Sequence("s", ["f"], "DAVIS", boxes(1), ground_truth_seg=[mask], object_ids=object_ids)
    assert seq.init_info()["init_mask"].tolist() == expected and seq.init_mask().dtype == np.uint8


def test_get_and_get_info():
    seq = sequence(object_class="car")
    assert seq.get("target_class") == "car"
    assert seq.get_info(["init_bbox", "init_mask", "target_class"], 0) == {
        "init_bbox": [10, 10, 20, 20],
        "target_class": "car",
    }


@pytest.mark.parametrize(
    "index, names",
    [(slice(0, 1), ["a"]), ([0, 2], ["a", "c"]), ((2, 1), ["c", "b"]), (np.array([1]), ["b"])],
)
def test_list_by_several_numbers_is_a_list(index, names):
    chosen = SequenceList(sequence(name) for name in "abc")[index]
    assert isinstance(chosen, SequenceList) and [seq.name for seq in chosen] == names


@pytest.mark.parametrize("index", [1, -2, np.int64(1), "b"])
def test_list_by_number_or_name_is_a_sequence(index):
    assert SequenceList(sequence(name) for name in "abc")[index].name == "b"


@pytest.mark.parametrize(
    "index, text", [("bb", r"^Sequence name not in the dataset\..*did you mean 'b'"), (3, "3")]
)
def test_unknown_sequence_is_an_index_error(index, text):
    with pytest.raises(IndexError, match=text):
        SequenceList(sequence(name) for name in ("a", "b", "c"))[index]


def test_lists_add_and_copy_as_lists():
    one = SequenceList([sequence("a")])
    assert type(one + one) is SequenceList and len(one + one) == 2
    assert type(one.copy()) is SequenceList and one.copy() is not one


def construct(name: str) -> Sequence:
    LOADED.append(name)
    return sequence(name, object_class="car")


LOADED: list[str] = []


def test_sequences_are_read_when_looked_into():
    LOADED.clear()
    lazy = lazy_list(["a", "b"], "otb", construct)
    assert (
        lazy["b"].name == "b"
        and lazy[0].object_ids is None
        and lazy[0].dataset == "otb"
        and LOADED == []
    )
    assert lazy["b"].object_class == "car" and len(lazy["b"].frames) == 5 and LOADED == ["b"]
    assert isinstance(lazy[0], Sequence) and lazy[0].init_info() == {"init_bbox": [10, 10, 20, 20]}
    with pytest.raises(AttributeError, match="no_such"):
        _ = lazy[0].no_such


@pytest.mark.parametrize("looked_into", [False, True])
def test_lazy_sequences_travel_to_other_processes(looked_into):
    lazy = (
        LazySequence("a", "otb", lambda: construct("a"))
        if looked_into
        else lazy_list(["a"], "otb", construct)[0]
    )
    if looked_into:
        _ = lazy.frames
    twin = pickle.loads(pickle.dumps(lazy))
    assert twin.frames == lazy.frames and np.array_equal(
        twin.ground_truth_rect, lazy.ground_truth_rect
    )


def test_what_was_set_before_reading_stays():
    lazy = lazy_list(["a"], "otb", construct)[0]
    lazy.frames = ["mine"]
    assert lazy.object_class == "car" and lazy.frames == ["mine"]
