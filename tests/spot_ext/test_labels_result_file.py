"""Result files: nothing is lost between writing and reading, and each kind of damage has its
sentence.
"""

import json
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue, MissingFile
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track

coordinates = st.floats(-1e4, 1e4, allow_nan=False)
sizes = st.floats(0.01, 1e4)
boxes = st.tuples(coordinates, coordinates, sizes, sizes)


@st.composite
def target_paths(draw):
    ids = draw(st.lists(st.integers(0, 5000), min_size=1, max_size=6, unique=True).map(sorted))
    own = draw(st.booleans())
    return labelled_track(
        tuple(ids), np.array(draw(st.tuples(*[boxes] * len(ids)))) if own else None
    )


@st.composite
def label_sets(draw):
    names = draw(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=5))
    videos = {
        n: VideoLabels(n, tuple(draw(st.lists(target_paths(), min_size=1, max_size=3))))
        for n in names
    }
    return LabelSet(
        "LaSOT",
        "train",
        draw(st.sampled_from(["key_frames", "det", "mot"])),
        draw(st.integers(0, 50)),
        draw(st.none() | st.integers(0, 2**40)),
        videos,
        tuple(draw(st.lists(st.text(), max_size=3))),
        draw(st.sampled_from([{}, {"detector": "any", "name": "my own"}])),
    )


@settings(max_examples=30, deadline=None)
@given(labels=label_sets())
def test_round_trip(labels, tmp_path_factory):
    path = label_file.write(labels, tmp_path_factory.mktemp("labels") / "x.json")
    assert label_file.read(path) == labels


def test_a_file_of_the_reference_is_written_again_as_it_was(tmp_path):
    """Several targets a video, boxes of their own, and whatever else its settings hold."""
    theirs = {
        "fs_settings": {
            "name": "LaSOT_train_det_000",
            "dataset": "LaSOT",
            "split": "train",
            "mode": "det",
            "num": 0,
            "detector": "any",
        },
        "failure_seqs": ["LaSOT_boat-2"],
        "sparse_sample_result": {
            "LaSOT_cat-3": [{"f_ids": [1, 7, 12]}],
            "LaSOT_dog-1": [
                {"f_ids": [0, 30], "bboxes": [[1.5, 2, 30.25, 40], [3, 4, 31, 41.125]]},
                {"f_ids": [4], "bboxes": [[-2.0, 5, 10, 10]]},
            ],
        },
    }
    (tmp_path / "in.json").write_text(json.dumps(theirs))
    labels = label_file.read(tmp_path / "in.json")
    assert len(labels.videos["LaSOT_dog-1"].tracks) == 2
    ours = json.loads(label_file.write(labels, tmp_path / "out.json").read_text())
    ours["fs_settings"] = {
        key: value for key, value in ours["fs_settings"].items() if key in theirs["fs_settings"]
    }
    assert ours == theirs


def content(**changes):
    facts = {
        "name": "LaSOT_train_kf_003",
        "dataset": "LaSOT",
        "split": "train",
        "mode": "key_frames",
        "num": 3,
    }
    return {
        "fs_settings": facts,
        "failure_seqs": [],
        "sparse_sample_result": {"LaSOT_cat-3": [{"f_ids": [1, 7]}]},
        **changes,
    }


def result(**path):
    return content(
        sparse_sample_result={"LaSOT_cat-3": [{"f_ids": [1, 7]}, {"f_ids": [1, 7], **path}]}
    )


def setting(**changes):
    return content(fs_settings={**content()["fs_settings"], **changes})


@pytest.mark.parametrize(
    ("damaged", "sentence"),
    [
        ("{nonsense", "not a JSON file"),
        ("[1]", "holds no sparse_sample_result"),
        ('{"fs_settings": {}, "fs_settings": {}}', "'fs_settings' is there twice"),
        (content(sparse_sample_result=None), "no sparse_sample_result"),
        ({"sparse_sample_results": {}, "fs_settings": {}}, "no num"),
        (
            setting(mode="keyframes"),
            "mode 'keyframes' of a label set is unknown, did you mean 'key_frames'?",
        ),
        (setting(num="3"), "num is '3'"),
        (setting(seed=0.5), "seed is 0.5"),
        (setting(version=99), "written in version 99"),
        (content(failure_seqs="x"), "failure_seqs must be a list"),
        (
            content(sparse_sample_result={"LaSOT_cat-3": [1, 7]}),
            "'LaSOT_cat-3', track 0: no list f_ids",
        ),
        (
            content(sparse_sample_result={"LaSOT_cat-3": []}),
            "'LaSOT_cat-3' must hold a list of object tracks",
        ),
        (result(f_ids=[]), "'LaSOT_cat-3', track 1: no labelled frame"),
        (result(f_ids=[7, 1]), "'LaSOT_cat-3', track 1: frame id 1 follows 7: ids must be sorted"),
        (result(f_ids=[7, 7]), "frame id 7 is listed twice"),
        (result(f_ids=[-1, 7]), "frame id -1 is negative"),
        (result(f_ids=[1, 7.5]), "frame id 7.5 is not a whole number"),
        (result(f_ids=[True, 7]), "frame id True is not a whole number"),
        (result(bboxes=[[1, 2, 3, 4]]), "1 boxes for 2 frame ids"),
        (result(bboxes=[[1, 2, 3, 4], [1, 2, 3]]), "rows of four numbers"),
        (
            result(bboxes=[[1, 2, 3, 4], [1, 2, float("nan"), 4]]),
            "box number 1: 1, 2, nan, 4 is no box",
        ),
        (result(bboxes=[[1, 2, 3, 4], [1, 2, 0, 4]]), "width and height above 0"),
    ],
)
def test_damaged_files_are_named(damaged, sentence, tmp_path):
    path = tmp_path / "LaSOT_train_kf_003.json"
    path.write_text(damaged if isinstance(damaged, str) else json.dumps(damaged))
    with pytest.raises(BadValue) as error:
        label_file.read(path)
    assert sentence in str(error.value) and str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(MissingFile, match=r"write it with `.*sample`"):
        label_file.read(tmp_path / "none.json")


def test_sequences_unknown_to_the_data_set(tmp_path, caplog):
    labels = LabelSet(
        "LaSOT",
        "train",
        "key_frames",
        2,
        0,
        {n: VideoLabels(n, (labelled_track((0, 1)),)) for n in ("LaSOT_cat-1", "LaSOT_cat-2")},
    )
    path = label_file.write(labels, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert list(label_file.read(path, ["LaSOT_cat-2", "LaSOT_cat-3"]).videos) == ["LaSOT_cat-2"]
    assert "1 of 2 sequences are not in the data set" in caplog.text
    with pytest.raises(BadValue, match="none of its 2 sequences"):
        label_file.read(path, ["GOT-10k_Train_000001"])


def test_a_folder_gets_the_usual_name(tmp_path):
    labels = LabelSet("TrackingNet", "0-3", "key_frames", 3)
    assert label_file.write(labels, tmp_path).name == "TrackingNet_0-3_kf_003.json"
