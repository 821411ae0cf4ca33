"""Choosing key frames, drawing unlabelled frames, and the state of the sampler; every set must be
the same.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from spot_ext.boxes.formats import label_file
from spot_ext.boxes.key_frames import base_frame, candidates, walk_back_to_human_box, windows
from spot_ext.training.data import exploration
from spot_ext.training.data.exploration import (
    coarse_box,
    draw_unlabelled,
    inner_distance,
    neighbours,
    p_propagate,
)
from spot_ext.training.pseudo_labels import MappedTrack, PseudoLabelStore
from tests.golden.checks.places import temporary_folder
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.support.labels import candidate_frames

DRAWS = 60  # of each case, that must lie in the reference's population


@check("key_frame_sampling", "key_frame_sampling.json")
def key_frames(golden: Golden, compare: Comparison) -> None:
    """Every window tried, and the frames a key frame is drawn from."""
    for case in golden.json("key_frame_sampling.json"):
        visible, k = _visible(case), case["k"]
        frames = [candidates(visible, k, index) for index in range(k)]
        tried = [list(windows(visible, k, index)) for index in range(k)]
        keys = case["keys"]
        compare.equal(
            "base frames",
            [base_frame(case["L"], k, index) for index in range(k)],
            [key["base_frame"] for key in keys],
        )
        compare.equal(
            "windows",
            [(len(ours), [[w.first, w.stop, w.num_visible] for w in ours[:12]]) for ours in tried],
            [(key["n_attempts"], key["windows"]) for key in keys],
        )
        compare.equal(
            "candidates",
            [
                _as_stored(ours.tolist(), key["candidates"])
                for ours, key in zip(frames, keys, strict=True)
            ],
            [key["candidates"] for key in keys],
        )
        compare.equal("failures", any(not len(ours) for ours in frames), case["failure"])


def _visible(case: dict[str, Any]) -> np.ndarray:
    length = case["L"]
    ids = {
        "all": range(length),
        "none": [],
        "first_half_hidden": range(length // 2, length),
        "only_middle": [length // 2],
        "alternating": range(0, length, 2),
        "two_ends": [0, length - 1],
        "random30": case.get("visible_ids", []),
    }
    mask = np.zeros(length, bool)
    mask[list(ids[case["mask"]])] = True
    return mask


def _as_stored(frames: list[int], stored: Any) -> Any:
    """`frames` in the form of `stored`: a list, None, or a summary of many frames."""
    if isinstance(stored, dict):
        unbroken = frames[-1] - frames[0] == len(frames) - 1
        return {"first": frames[0], "last": frames[-1], "n": len(frames), "contiguous": unbroken}
    return frames or None


@check("key_frame_trackingnet_walkback", "key_frame_trackingnet_walkback.json")
def walk_back(golden: Golden, compare: Comparison) -> None:
    """From the drawn frame back to the last box that a person drew."""
    for case in golden.json("key_frame_trackingnet_walkback.json"):
        boxes = np.full((60, 4), 10.3)
        boxes[case["human_frames"]] = 10
        compare.equal(
            "frame", [walk_back_to_human_box(boxes[: case["drawn"] + 1])], case["result_f_ids"]
        )


@check("sample_unlabeled_frames", "sample_unlabeled_frames.json")
def unlabelled_frames(golden: Golden, compare: Comparison) -> None:
    """Modes, their probabilities, candidates, and that draws stay among these."""
    rng = np.random.default_rng(0)
    for case in golden.json("sample_unlabeled_frames.json"):
        ids, length, step = (
            np.array(case["relay_frame_ids"]),
            case["seq_length"],
            case["propagating_step"],
        )
        inner = inner_distance(step)
        compare.equal("inner distance", inner, case["explored_step"])
        compare.close(
            "probability of reviewing",
            1 - p_propagate(len(ids), length),
            case["p_reviewing_draw"],
            float64=True,
        )
        ours, theirs = {}, {}
        for outer, expected in case["propagating"].items():
            ours[outer] = candidate_frames(ids, length, inner, int(outer)).tolist()
            theirs[outer] = expected["candidates"] if expected["mode"] == "propagating" else []
        compare.equal("candidates", ours, theirs)
        view = MappedTrack(
            length, ids[:1], ids, np.zeros((len(ids), 4), np.float32), np.full(len(ids), 10_000)
        )
        reviewed = set(case["reviewing"]["population"])
        populations = {
            True: {frame for frames in theirs.values() for frame in frames},
            False: reviewed,
        }
        drawn = [draw_unlabelled(view, rng, step, distinct_relay=False) for _ in range(DRAWS)]
        compare.equal(
            "drawn frames",
            all(draw.frame_id in populations[draw.propagating] for draw in drawn),
            True,
        )
        compare.equal("drawn relay frames", {draw.relay_id for draw in drawn} <= reviewed, True)


@check("sampler_helpers", "sampler_helpers.json")
def helpers(golden: Golden, compare: Comparison) -> None:
    """Nearest frames, frames between limits, and boxes between two frames (outside of both with
    S5's switch).
    """
    stored = golden.json("sampler_helpers.json")
    for case in stored["find_nearest_frames"]:
        ids = np.array(case["candidates"])
        found = [neighbours(ids, target) for target in case["targets"]]
        compare.equal(
            "nearest frames", ids[[index for index, _ in found]].tolist(), case["nearest"]
        )
        compare.equal(
            "opposite frames", ids[[other for _, other in found]].tolist(), case["second"]
        )
    for case in stored["linear_interpolation_bbox"]:
        first, second = (
            (case["fid_1"], np.array(case["bbox_1"])),
            (case["fid_2"], np.array(case["bbox_2"])),
        )
        box = exploration.interpolated_box(
            *first, *second, case["target"], case["limit"], reference_mirror=True
        )
        compare.close("interpolated box px", box, case["result"])
        (id_1, box_1), (id_2, box_2) = sorted([first, second], key=lambda frame: frame[0])
        if id_1 < id_2 <= id_1 + case["limit"] and id_1 <= case["target"] <= id_2:
            box = coarse_box(
                np.array([id_1, id_2]),
                np.array([box_1, box_2], np.float32),
                case["target"],
                case["limit"],
            )
            compare.close("interpolated box px", box, case["result"])
    for case in stored["sample_from_candidates"]:
        ids = np.array(case["candidates"])
        if isinstance(
            case["population"], list
        ):  # no candidate between the limits: an IndexError in the reference (S8)
            low, high = (
                end if case[name] is None else case[name]
                for name, end in (("min_id", ids[0]), ("max_id", ids[-1]))
            )
            compare.equal(
                "frames between",
                exploration.frames_between(ids, low, high).tolist(),
                case["population"],
            )


@check("sampler_state_update", "sampler_state_update.json")
def state_update(golden: Golden, compare: Comparison) -> None:
    """The state after an epoch, with the reference's guard of key frames."""
    case = golden.json("sampler_state_update.json")
    compare.equal("state", merged_state(case, reference_key_guard=True), case["after_reference"])


def merged_state(case: dict[str, Any], reference_key_guard: bool) -> dict[str, Any]:
    """The sampler state after the epoch in `case`, by way of the store."""
    with temporary_folder() as folder:
        (folder / "before.json").write_text(json.dumps(case["before"]))
        store = PseudoLabelStore.import_json(
            folder / "store", folder / "before.json", dict.fromkeys(case["before"], 26)
        )
        writer = store.writer()
        for key, epoch in case["epoch_state_info"].items():
            columns = (
                epoch[name] for name in ("path_ids", "relay_frame_ids", "bboxes", "confidence")
            )
            for path, frame_id, box, confidence in zip(*columns, strict=True):
                writer.record(store.index_of(key, path), frame_id, box, confidence)
        writer.commit(51, reference_key_guard)
        store.reopen(51)
        store.export_json(folder / "after.json")
        return json.loads((folder / "after.json").read_text())


@check("example_key_frame_result", "example_key_frame_result_LaSOT_train_kf_003.json")
def example_result(golden: Golden, compare: Comparison) -> None:
    """A result file of the reference, read and written again."""
    name = "example_key_frame_result_LaSOT_train_kf_003.json"
    labels, theirs = label_file.read(golden.path(name)), golden.json(name)
    with temporary_folder() as folder:
        path = label_file.write(labels, folder)
        ours = json.loads(path.read_text())
    compare.equal("file name", path.name, "LaSOT_train_kf_003.json")
    ours["fs_settings"] = {
        key: ours["fs_settings"].get(key) for key in theirs["fs_settings"]
    }  # ours adds the seed
    compare.equal("content", {key: ours.get(key) for key in theirs}, theirs)


@check("example_sampler_state", "example_sampler_state.json")
def example_state(golden: Golden, compare: Comparison) -> None:
    """A sampler state of the reference, imported and exported again."""
    name = "example_sampler_state.json"
    theirs = golden.json(name)
    with temporary_folder() as folder:
        store = PseudoLabelStore.import_json(
            folder / "store", golden.path(name), dict.fromkeys(theirs, 1000)
        )
        store.export_json(folder / "out.json")
        compare.equal("content", json.loads((folder / "out.json").read_text()), theirs)
