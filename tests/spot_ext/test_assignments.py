"""`--set`: read whole and then checked, every fault in one answer, data sets left out by name."""

from __future__ import annotations

import pytest

from ltr.admin.errors import BadValue
from ltr.recipes import parse_assignments
from ltr.train_settings.spot import quickstart, transt_sparse

FAULTS = {
    "epoch": "3",
    "teacher.interval": "x",
    "optim.method": "adamm",
    "precision": "fp8",
    "k": "0",
    "datasets": "lasott",
}


def test_every_fault_is_in_one_answer_each_once():
    with pytest.raises(BadValue) as caught:
        transt_sparse.config().override(FAULTS)
    sentences = str(caught.value).split("; and ")
    parts = [
        "no setting 'epoch', did you mean 'epochs'?",
        "--set teacher.interval=x: expected a value of type int",
        "no data set 'lasott', did you mean 'lasot'?",
        "optim.method is 'adamm', did you mean 'adamw'?",
        "k is 0: give a number from 1",
        "precision is 'fp8'",
    ]
    assert len(sentences) == len(parts)
    for part, sentence in zip(parts, sentences, strict=True):
        assert part in sentence


def test_a_setting_that_may_be_none_is_set_to_none():
    config = transt_sparse.config().override({"k": "none", "publish": "None"})
    assert config.k is None and config.publish is None
    with pytest.raises(BadValue, match="--set epochs=none: expected a value of type int"):
        transt_sparse.config().override({"epochs": "none"})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lasot,got10k", ["Lasot", "Got10k"]),
        ("got10k, LaSOT", ["Lasot", "Got10k"]),
        ("TrackingNet", ["TrackingNet"]),
    ],
)
def test_data_sets_are_left_out(text, names):
    config = transt_sparse.config().override({"datasets": text})
    assert [dataset.name for dataset in config.datasets] == names


@pytest.mark.parametrize(
    ("recipe", "text", "message"),
    [
        (transt_sparse, "lasot,otb", "no data set 'otb'.*choose among lasot,got10k,trackingnet"),
        (transt_sparse, "", "no name is given; choose among"),
        (quickstart, "lasot", "makes its own data set"),
    ],
)
def test_a_data_set_that_the_recipe_does_not_have_is_a_sentence(recipe, text, message):
    with pytest.raises(BadValue, match=message):
        recipe.config().override({"datasets": text})


def test_every_text_of_another_form_is_named():
    with pytest.raises(BadValue, match="--set epochs, --set =3: expected NAME=VALUE"):
        parse_assignments(["epochs", "k=3", "=3"])
