"""MultiObjectWrapper: what each object's tracker is told, and how their outputs are joined."""

import threading
from collections import OrderedDict

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper, merge_masks
from pytracking.evaluation.results import result_files, results_exist, save_results
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams

IMAGE = np.zeros((60, 80, 3), np.uint8)


class Recording:
    """Notes what it is told; loads its features once."""

    loaded = 0

    def __init__(self, params):
        self.params, self.told = params, []

    def initialize_features(self):
        type(self).loaded += 1
        self.features = np.ones(3)

    def initialize(self, image, info):
        self.told.append(info)

    def track(self, image, info=None):
        self.told.append(info)
        return {"target_bbox": [len(self.told), 0, 5, 5], "score": 0.5}


def start(ids, **more) -> dict:
    return {
        "init_object_ids": ids,
        "object_ids": ids,
        "sequence_object_ids": ["1", "2", "3"],
        "init_bbox": OrderedDict((key, [int(key), 0, 5, 5]) for key in ids),
        **more,
    }


def test_every_object_is_told_its_own_start():
    wrapper = MultiObjectWrapper(Recording, TrackerParams(), visdom="v", frame_reader="r")
    labels = np.zeros((60, 80), np.uint8)
    labels[5], labels[6] = 1, 2
    out = wrapper.initialize(IMAGE, start(["1", "2"], init_mask=labels))
    assert wrapper.initialized_ids == ["1", "2"] == list(wrapper.trackers)
    first = wrapper.trackers["1"]
    assert (first.visdom, first.frame_reader) == ("v", "r")
    info = first.told[0]
    assert set(info) == {
        "object_ids",
        "sequence_object_ids",
        "init_bbox",
        "init_mask",
        "init_other",
    }
    assert info["object_ids"] == ["1"] and info["sequence_object_ids"] == ["1", "2", "3"]
    assert (
        info["init_bbox"] == [1, 0, 5, 5]
        and info["init_mask"].sum() == 80 == info["init_mask"][5].sum()
    )
    assert info["init_other"]["2"]["init_bbox"] == [2, 0, 5, 5]
    assert (
        out["target_bbox"] == {"1": [1, 0, 5, 5], "2": [2, 0, 5, 5]}
        and (out["segmentation"] == labels).all()
    )


def test_objects_that_start_later():
    wrapper = MultiObjectWrapper(Recording, TrackerParams())
    wrapper.initialize(IMAGE, {**start(["1"]), "object_ids": ["1", "2"]})
    assert list(wrapper.trackers) == ["1", "2"] and wrapper.initialized_ids == ["1"]
    early = wrapper.trackers["2"]
    previous = OrderedDict(target_bbox={})
    out = wrapper.track(IMAGE, {**start(["2", "3"]), "previous_output": previous})
    assert wrapper.initialized_ids == ["1", "2", "3"] and wrapper.trackers["2"] is early
    assert set(wrapper.trackers["1"].told[1]["init_other"]) == {"2", "3"}
    assert wrapper.trackers["3"].told[0]["previous_output"] is previous
    assert out["target_bbox"] == {"1": [2, 0, 5, 5], "2": [2, 0, 5, 5], "3": [3, 0, 5, 5]} and out[
        "score"
    ] == {"1": 0.5}
    wrapper.track(IMAGE, {})
    assert (
        len({id(tracker.told[-1]) for tracker in wrapper.trackers.values()}) == 1
    )  # the same info for all


def test_nothing_to_start_and_nothing_to_follow():
    wrapper = MultiObjectWrapper(Recording, TrackerParams())
    wrapper.initialize(IMAGE, start(["1"]))
    assert wrapper.initialize(IMAGE, start([])) is None and wrapper.initialized_ids == []
    assert wrapper.track(IMAGE, {}) == {"target_bbox": {}, "time": {}}


def test_object_that_starts_again_gets_a_new_tracker():
    wrapper = MultiObjectWrapper(Recording, TrackerParams())
    wrapper.initialize(IMAGE, start(["1"]))
    first = wrapper.trackers["1"]
    out = wrapper.track(IMAGE, start(["1"]))
    assert (
        wrapper.trackers["1"] is not first
        and len(first.told) == 1
        and out["target_bbox"]["1"] == [1, 0, 5, 5]
    )
    assert wrapper.initialized_ids == ["1"]


def test_fast_load_prepares_once_and_copies(monkeypatch):
    monkeypatch.setattr(Recording, "loaded", 0)
    wrapper = MultiObjectWrapper(Recording, TrackerParams(), fast_load=True)
    wrapper.initialize(IMAGE, start(["1", "2"]))
    assert Recording.loaded == 1
    assert wrapper.trackers["1"].features is not wrapper.trackers["2"].features


def test_fast_load_of_what_cannot_be_copied_builds_anew(monkeypatch):
    monkeypatch.setattr(
        Recording, "initialize_features", lambda self: setattr(self, "lock", threading.Lock())
    )
    wrapper = MultiObjectWrapper(Recording, TrackerParams(), fast_load=True)
    wrapper.initialize(IMAGE, start(["1", "2"]))
    assert (
        not hasattr(wrapper.trackers["1"], "lock") and len(wrapper.track(IMAGE)["target_bbox"]) == 2
    )


def test_own_way_of_merging():
    tracker = type(
        "Merging",
        (Recording,),
        {"merge_results": staticmethod(lambda out_all: {"ids": list(out_all)})},
    )
    assert MultiObjectWrapper(tracker, TrackerParams()).initialize(IMAGE, start(["1", "2"])) == {
        "ids": ["1", "2"]
    }


@pytest.mark.parametrize(
    "info, out, expected",
    [
        ({**start(["1"]), "init_bbox": {}}, {}, "object 1 has neither a box nor a mask"),
        (
            start(["1"]),
            {"score": 1},
            r"track\(\) must return a dict with 'target_bbox', for object 1",
        ),
    ],
)
def test_what_is_missing_is_named(monkeypatch, info, out, expected):
    monkeypatch.setattr(Recording, "track", lambda self, image, info=None: out)
    wrapper = MultiObjectWrapper(Recording, TrackerParams())
    with pytest.raises(BadInput, match=expected):
        wrapper.initialize(IMAGE, info)
        wrapper.track(IMAGE)


@pytest.mark.parametrize(
    "threshold, expected", [(0.5, [[0, 3, 9]]), (0.2, [[3, 3, 9]]), (0.95, [[0, 0, 0]])]
)
def test_masks_join_where_the_surest_object_is_above_the_threshold(threshold, expected):
    outputs = {
        "3": {"segmentation_soft": np.array([[0.3, 0.8, 0.6]])},
        "5": {},
        9: {"segmentation": np.array([[0.1, 0.7, 0.9]])},
    }
    assert merge_masks(outputs, threshold).tolist() == expected
    assert merge_masks({"5": {}}, threshold) is None


class RememberingNet(torch.nn.Module):
    """Its boxes depend on the template stored last, and on the search crop."""

    def template(self, z):
        self.z = z.mean()

    def track(self, x):
        size = 0.25 + (self.z + x.mean()) / 20
        box = torch.stack([size * 2, size * 2, size, size])
        return {"pred_logits": torch.zeros(1, 64, 2), "pred_boxes": box.repeat(1, 64, 1)}


def test_transt_objects_with_one_network_track_as_if_alone():
    params = TrackerParams()
    params.net = NetWithBackbone("none", use_gpu=False)
    params.net.net = RememberingNet()
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    frames = [image, np.roll(image, 4, axis=1), np.roll(image, 8, axis=1)]
    boxes = {1: [20.0, 20.0, 30.0, 30.0], 2: [90.0, 60.0, 24.0, 40.0]}

    def alone(box):
        tracker = TransT(params)
        tracker.initialize(frames[0], {"init_bbox": box})
        return [tracker.track(frame)["target_bbox"] for frame in frames[1:]]

    wrapper = MultiObjectWrapper(TransT, params, fast_load=True)
    wrapper.initialize(
        frames[0], {"init_object_ids": [1, 2], "init_bbox": boxes, "object_ids": [1, 2]}
    )
    together = [wrapper.track(frame)["target_bbox"] for frame in frames[1:]]
    for object_id, box in boxes.items():
        assert [out[object_id] for out in together] == alone(box)
    assert not np.allclose(
        together[1][1][2:], together[1][2][2:]
    )  # the templates do make a difference


@pytest.mark.parametrize(
    "scores, present", [([1.0, 0.7, 0.2], ["true", "false"]), ([1.0], ["true", "true"])]
)
def test_oxuva_has_a_table_of_its_own(tmp_path, scores, present):
    seq = Sequence("vid0001_obj0000_frames[000003:000006]", ["f"] * 3, "oxuva", np.ones((3, 4)))
    assert result_files(seq, "r")[0].name == "vid0001_obj0000.csv" and not results_exist(
        seq, str(tmp_path)
    )
    save_results(
        seq,
        str(tmp_path),
        "",
        {
            "target_bbox": [[0, 0, 1, 1], [10.5, 5, 20, 10], [90, -5, 20, 10]],
            "object_presence_score": scores,
            "image_shape": (50, 100),
            "object_presence_score_threshold": 0.55,
        },
    )
    rows = [line.split(",") for line in (tmp_path / "vid0001_obj0000.csv").read_text().splitlines()]
    assert [row[:4] for row in rows] == [
        ["vid0001", "obj0000", str(4 + i), present[i]] for i in range(2)
    ]
    assert np.allclose(
        np.array([row[5:] for row in rows], float), [[0.105, 0.305, 0.1, 0.3], [0.9, 1, 0, 0.1]]
    )
    assert results_exist(seq, str(tmp_path))
