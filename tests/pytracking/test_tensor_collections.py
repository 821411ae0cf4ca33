"""TensorList and TensorDict: tensor arithmetic and methods on every element."""

import copy
import operator
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from pytracking import TensorDict, TensorList
from pytracking.libs.tensorlist import tensor_operation

numbers = st.lists(st.floats(1, 100), min_size=1, max_size=5)


@given(numbers, st.floats(1, 100))
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "mod"])
def test_arithmetic_with_a_number_and_with_a_list(name, values, number):
    function, in_place = getattr(operator, name), getattr(operator, f"i{name}")
    assert function(TensorList(values), number) == [function(v, number) for v in values]
    assert function(number, TensorList(values)) == [function(number, v) for v in values]
    assert function(TensorList(values), list(reversed(values))) == list(
        map(function, values, reversed(values))
    )
    changed = TensorList(values)
    assert in_place(changed, number) is changed and changed == [function(v, number) for v in values]


def test_list_of_ints_adds_instead_of_growing():
    assert TensorList([1, 2]).concat([3]) == [1, 2, 3]
    assert sum([TensorList([1, 2]), TensorList([1, 2])], TensorList([0, 0])) == [2, 4]
    assert -TensorList([1]) == [-1] and +TensorList([1]) == [1]
    assert (TensorList([1, 3]) <= 2) == [True, False] and (TensorList([1, 3]) >= [1, 4]) == [
        True,
        False,
    ]


def test_matrix_product_and_in_place_on_tensors():
    a = torch.ones(2, 3)
    b = TensorList([a]) @ torch.ones(3)
    assert torch.equal(b[0], torch.tensor([3.0, 3.0]))
    tensors = TensorList([torch.zeros(2)])
    kept = tensors[0]
    tensors += 1
    assert kept.tolist() == [1, 1]  # the tensor itself changed, as tensors do


def test_lengths_must_agree():
    with pytest.raises(BadValue, match="2 and 3 elements"):
        operator.add(TensorList([1, 2]), [1, 2, 3])


def test_indexing():
    values = TensorList([1, 2, 3])
    assert (
        values[0] == 1 and values[1:] == [2, 3] and values[[0, 2]] == [1, 3] and values[(1,)] == [2]
    )
    assert all(
        type(part) is TensorList
        for part in (values[1:], values[[0, 2]], values.copy(), values.concat([1]))
    )
    assert type(values.list()) is list and TensorList(
        [1, TensorList([2, TensorList([3])])]
    ).unroll() == [1, 2, 3]


def test_methods_attributes_and_functions_on_every_element():
    values = TensorList([torch.ones(2), torch.ones(3), None])
    assert values.sum()[:2] == [2, 3] and values.sum()[2] is None
    assert values[:2].attribute("shape") == [(2,), (3,)] and values.attribute("shape", 0)[2] == 0
    assert values[:2].apply(len) == [2, 3]


def test_dict_keeps_what_is_no_tensor():
    batch = TensorDict(
        {"a": torch.ones(2), "s": "x", "l": [1], "n": None, "d": TensorDict(b=torch.ones(1))}
    )
    moved = batch.to("cpu", torch.float64)
    assert (
        type(moved) is TensorDict
        and moved["a"].dtype == torch.float64
        and moved["d"]["b"].dtype == torch.float64
    )
    assert (moved["s"], moved["l"], moved["n"]) == ("x", [1], None)
    assert list(batch.concat({"z": 1, "s": "y"})) == ["a", "s", "l", "n", "d", "z"]
    assert TensorDict({1: 2}).concat({3: 4}) == {1: 2, 3: 4} and TensorDict(a=2).apply(pow, 3) == {
        "a": 8
    }
    assert batch.attribute("shape", None)["a"] == (2,)


@pytest.mark.parametrize(
    "make", [lambda: TensorList([torch.ones(2)]), lambda: TensorDict(a=torch.ones(2))]
)
@pytest.mark.parametrize(
    "twin_of", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies(make, twin_of):
    twin = twin_of(make())
    assert type(twin) is type(make()) and str(twin) == str(make())


@pytest.mark.parametrize("collection", [TensorList([1]), TensorDict(a=1)])
@pytest.mark.parametrize("name", ["no_such", "__array__", "shape"])
def test_other_names_are_attribute_errors(collection, name):
    assert not hasattr(collection, name)


@tensor_operation
def scaled_sum(a, b=0, scale=1):
    return a + scale * b


@pytest.mark.parametrize(
    "args, kwargs, expected",
    [
        ((1, 2), {}, 3),
        ((TensorList([1, 2]),), {}, [1, 2]),
        ((TensorList([1, 2]), 1), {"scale": 10}, [11, 12]),
        ((1, TensorList([1, 2])), {}, [2, 3]),
        ((TensorList([1, 2]), TensorList([3, 4]), 2), {}, [7, 10]),
    ],
)
def test_tensor_operation(args, kwargs, expected):
    assert scaled_sum(*args, **kwargs) == expected


def test_tensor_operation_needs_equal_lengths():
    with pytest.raises(BadValue, match="2 and 1 elements"):
        scaled_sum(TensorList([1, 2]), TensorList([1]))
