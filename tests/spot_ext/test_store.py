"""The pseudo-label store: merging against a plain dict, versions, crashes, damage, and the
reference's JSON.
"""

import json
import multiprocessing
import os
import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue, MissingFile
from spot_ext.boxes.labels import SequenceTrack, labelled_track
from spot_ext.training.pseudo_labels import PseudoLabelStore

LENGTHS = (12, 5, 30)
KEYS = ((2, 9), (0,), (1, 15, 29))


def entry(key, number, length, ids, boxes):
    return SequenceTrack.labelled(key, number, labelled_track(ids), boxes, length)


def entries(keys=KEYS, lengths=LENGTHS):
    return [
        entry(f"video-{i}", 0, length, ids, np.array([[f, f, 10.25, 20] for f in ids]))
        for i, (ids, length) in enumerate(zip(keys, lengths, strict=True))
    ]


@pytest.fixture
def store(tmp_path):
    return PseudoLabelStore.create(tmp_path / "store", entries())


def content(store):
    """Everything in the store as {(path, frame): (box, units)}."""
    found = {}
    for i in range(len(store)):
        view = store.track(i)
        assert (np.diff(view.frame_ids) > 0).all()
        for frame, box, units in zip(
            view.frame_ids.tolist(),
            view.boxes_xywh.tolist(),
            view.confidence_units.tolist(),
            strict=True,
        ):
            found[i, frame] = (tuple(box), units)
    return found


def commit(store, records, epoch):
    writer = store.writer()
    for record in records:
        writer.record(*record)
    stats = writer.commit(epoch)
    store.reopen(epoch)
    return stats


BOX = (1, 2, 30, 40)
places = st.integers(0, 2).flatmap(
    lambda path: st.tuples(st.just(path), st.integers(0, LENGTHS[path] - 1))
)
record_lists = st.lists(
    st.tuples(
        places,
        st.tuples(*[st.sampled_from([1.0, 2.04, 2.06, 33.3])] * 4),
        st.sampled_from([0.85, 0.90001, 0.90004, 0.9002, 1.0, 1.02]),
    ).map(lambda r: (*r[0], r[1], r[2])),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(epochs=st.lists(record_lists, min_size=1, max_size=3), seed=st.integers(0, 99))
def test_merging_equals_a_plain_dict(epochs, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("merge")
    store, shuffled = (PseudoLabelStore.create(folder / name, entries()) for name in ("a", "b"))
    model = content(store)
    for epoch, records in enumerate(epochs, 1):
        before = dict(model)
        for path, frame, box, confidence in records:
            new = (tuple(np.float32(round(v, 1)).item() for v in box), round(confidence * 10_000))
            old = model.get((path, frame))
            if frame in KEYS[path]:
                continue
            better = old is None or new[1] > old[1]
            if better or (
                old != before.get((path, frame)) and new[1] == old[1] and new[0] > old[0]
            ):
                model[path, frame] = new
        stats = commit(store, records, epoch)
        commit(shuffled, random.Random(seed).sample(records, len(records)), epoch)
        assert content(store) == content(shuffled) == model
        assert stats.new == len(model) - len(before)
        assert stats.replaced == sum(model[place] != before[place] for place in before)
        assert stats.new + stats.replaced + stats.refused == len(records) and stats.invalid == 0


@pytest.mark.parametrize(
    ("records", "kept"),
    [
        ([(0, 2, BOX, 1.02)], None),
        ([(0, 3, BOX, 0.9), (0, 3, (5, 5, 5, 5), 0.91)], (5, 5, 5, 5)),
        ([(0, 3, (5, 5, 5, 5), 0.91), (0, 3, BOX, 0.9)], (5, 5, 5, 5)),
        ([(0, 3, (5, 5, 5, 5), 0.9), (0, 3, (6, 5, 5, 5), 0.9)], (6, 5, 5, 5)),
        ([(0, 3, (6, 5, 5, 5), 0.9), (0, 3, (5, 5, 5, 5), 0.9)], (6, 5, 5, 5)),
        ([(0, 4, (5, 5, 5, 5), 0.8)], (9, 9, 9, 9)),
        ([(0, 4, (5, 5, 5, 5), 0.8001)], (5, 5, 5, 5)),
        ([(0, 4, (5, 5, 5, 5), 0.80004)], (9, 9, 9, 9)),
    ],
    ids=[
        "a label stays",
        "best wins",
        "best wins, first",
        "tie",
        "tie, other order",
        "as confident: stays",
        "more confident",
        "the same at 1e-4: stays",
    ],
)
def test_what_is_kept(store, records, kept):
    commit(store, [(0, 4, (9, 9, 9, 9), 0.8)], 1)
    commit(store, records, 2)
    box = store.track(0).box_xywh(records[0][1]).tolist()
    assert box == (list(kept) if kept else [2, 2, 10.25, 20])


def test_a_new_store_knows_the_labels(store):
    view = store.track(2)
    assert view.length == 30 and view.key_ids.tolist() == view.frame_ids.tolist() == [1, 15, 29]
    assert view.boxes_xywh.tolist() == [
        [f, f, 10.25, 20] for f in (1, 15, 29)
    ]  # labels are not rounded
    assert view.confidences.tolist() == [1, 1, 1]
    assert view.is_key(15) and not view.is_key(16)
    assert view.box_xywh(15).tolist() == [15, 15, 10.25, 20]
    assert store.key_of(2) == ("video-2", 0) and store.index_of("video-2") == 2
    share = store.explored_share()
    assert share.per_track.tolist() == pytest.approx(
        [2 / 12, 1 / 5, 3 / 30]
    ) and share.total == pytest.approx(6 / 47)
    with pytest.raises(BadValue, match="frame 16 has no stored box"):
        view.box_xywh(16)
    with pytest.raises(BadValue, match="no track 1 of sequence 'video-2'"):
        store.index_of("video-2", 1)


def test_precision(store):
    commit(store, [(0, 3, (1.26, -2.34, 30.149, 40), 0.87654)], 1)
    view = store.track(0)
    assert view.box_xywh(3).tolist() == np.float32([1.3, -2.3, 30.1, 40]).tolist()
    assert view.confidences[1] == 0.8765


@pytest.mark.parametrize(
    "record",
    [
        (0, 3, (np.nan, 2, 3, 4), 0.9),
        (0, 3, (1, 2, np.inf, 4), 0.9),
        (0, 3, (1, 2, 0.04, 4), 0.9),
        (0, 3, BOX, np.nan),
        (0, 3, BOX, -0.1),
        (0, 3, BOX, 7),
    ],
    ids=[
        "nan box",
        "infinite box",
        "no width at 0.1 px",
        "nan confidence",
        "negative confidence",
        "high confidence",
    ],
)
def test_what_is_no_box_is_counted_and_left_out(store, record):
    before = content(store)
    stats = commit(store, [record], 1)
    assert (stats.invalid, stats.new) == (1, 0) and content(store) == before


@pytest.mark.parametrize("place", [(3, 0), (-1, 0), (1, 5), (1, -1)])
def test_a_frame_outside_the_video_is_an_error(store, place):
    with pytest.raises(BadValue, match=f"no frame {place[1]} in path {place[0]} of 3"):
        store.writer().record(*place, BOX, 0.9)


def test_versions_belong_to_epochs(store):
    folder = store.folder
    commit(store, [(0, 3, BOX, 0.9)], 51)
    commit(store, [(0, 4, BOX, 0.9)], 52)
    assert store.epochs() == [0, 51, 52] and PseudoLabelStore.open(folder).epoch == 52
    resumed = PseudoLabelStore.open(folder, 51)  # resuming does not see what came later
    assert resumed.track(0).frame_ids.tolist() == [2, 3, 9]
    commit(resumed, [(0, 8, BOX, 0.9)], 52)
    assert PseudoLabelStore.open(folder, 52).track(0).frame_ids.tolist() == [2, 3, 8, 9]
    assert resumed.keep([0]) == [51] and resumed.epochs() == [0, 52]  # the open version stays
    with pytest.raises(MissingFile, match=r"no pseudo-labels of epoch 51 \(there are: 0, 52\)"):
        PseudoLabelStore.open(folder, 51)


def test_a_reader_keeps_its_version_while_others_come_and_go(store):
    reader = PseudoLabelStore.open(store.folder, 0)
    commit(store, [(0, 3, BOX, 0.9)], 1)
    store.keep([])
    assert reader.track(0).frame_ids.tolist() == [2, 9]
    reader.reopen()
    assert reader.epoch == 1 and reader.track(0).frame_ids.tolist() == [2, 3, 9]


def test_a_writer_goes_on_from_its_own_commit(store):
    writer = store.writer()
    writer.record(1, 1, BOX, 0.9)
    writer.commit(1)
    writer.record(1, 2, BOX, 0.9)
    assert writer.commit(2).new == 1
    store.reopen(2)
    assert store.track(1).frame_ids.tolist() == [0, 1, 2]


def test_records_travel_between_processes(store):
    other = store.writer()
    other.record(0, 3, (1.2, 2, 30, 40), 0.9)
    writer = store.writer()
    writer.record(0, 4, BOX, 0.95)
    writer.add_records(pickle.loads(pickle.dumps(other.take_records())))
    assert writer.commit(1).new == 2 and other.commit(2).new == 0
    store.reopen(1)
    assert store.track(0).box_xywh(3).tolist() == np.float32([1.2, 2, 30, 40]).tolist()


def test_a_crash_while_writing_leaves_the_previous_version(store, monkeypatch):
    commit(store, [(0, 3, BOX, 0.9)], 1)
    writer = store.writer()
    writer.record(0, 4, BOX, 0.9)

    def crash(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="no space"):
            writer.commit(2)
    assert PseudoLabelStore.open(store.folder).epoch == 1
    assert len(list(store.folder.iterdir())) == 3  # index, two versions, nothing half-written
    assert writer.commit(2).new == 1  # the records were not lost either


def _first_box(store, queue):
    queue.put((store.epoch, store.track(0).box_xywh(3).tolist()))


def test_a_worker_gets_folder_and_epoch_only(store):
    commit(store, [(0, 3, BOX, 0.9)], 1)
    assert len(pickle.dumps(store)) < 300
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=_first_box, args=(pickle.loads(pickle.dumps(store)), queue))
    worker.start()
    assert queue.get(timeout=20) == (1, list(BOX))
    worker.join()


def damage(path, change):
    data = bytearray(path.read_bytes())
    path.unlink()  # other processes may have the old file mapped
    path.write_bytes(change(data))


def flipped(data):
    data[-1] ^= 1
    return data


@pytest.mark.parametrize("name", ["epoch_0000.safetensors", "index.safetensors"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[:-3], "bytes long instead of"),
        (lambda data: data + b"x", "bytes long instead of"),
        (lambda data: data[:20], "header cannot be read"),
        (lambda data: b"", "header cannot be read"),
        (lambda data: b"\0" * len(data), "header cannot be read"),
        (flipped, "does not match its checksum"),
    ],
    ids=["truncated", "longer", "only a header", "empty", "zeros", "one bit"],
)
def test_damage_is_noticed(store, name, change, sentence):
    damage(store.folder / name, change)
    with pytest.raises(BadValue, match=sentence) as error:
        PseudoLabelStore.open(store.folder)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_version_of_other_labels_is_refused(store, tmp_path):
    other = PseudoLabelStore.create(tmp_path / "other", entries(keys=((2, 8), (0,), (1, 15, 29))))
    os.replace(other.folder / "epoch_0000.safetensors", store.folder / "epoch_0000.safetensors")
    with pytest.raises(BadValue, match="belongs to other labels"):
        PseudoLabelStore.open(store.folder)


def test_no_store(tmp_path):
    with pytest.raises(MissingFile, match="no pseudo-label store in"):
        PseudoLabelStore.open(tmp_path)


def test_an_existing_store_is_not_overwritten_by_accident(store):
    commit(store, [(0, 3, BOX, 0.9)], 7)
    with pytest.raises(BadValue, match="already holds a pseudo-label store"):
        PseudoLabelStore.create(store.folder, entries())
    assert PseudoLabelStore.create(store.folder, entries(), replace=True).epochs() == [0]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            ((2, 8), (0,), (1, 15, 29)),
            r"its track number 0 is 'video-0' track 0, labelled on \[2, 9\] instead of .* \[2, 8\]",
        ),
        (((2, 9), (0,)), "it has 3 object tracks instead of 2"),
        (KEYS, None),
    ],
    ids=["other key frames", "other number", "the same"],
)
def test_required_labels(store, keys, sentence):
    wanted = [((f"video-{i}", 0), ids) for i, ids in enumerate(keys)]
    if sentence is None:
        store.require_labels(wanted)
    else:
        with pytest.raises(BadValue, match=sentence):
            store.require_labels(wanted)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (("v", 0, 5, (), np.empty((0, 4))), "at least one"),
        (("v", 0, 5, (3, 1), np.ones((2, 4))), "sorted"),
        (
            ("v", 0, 5, (1, 5), np.ones((2, 4))),
            "frames 1 to 5 do not fit into its 5 frames",
        ),
        (("v", 0, 5, (1,), np.ones((2, 4))), "give one box"),
        (("v", 0, 5, (1,), np.full((1, 4), np.nan)), "one finite box"),
        (("video-0", 0, 5, (1,), np.ones((1, 4))), "'video-0', track 0 is given twice"),
    ],
)
def test_labels_that_cannot_be_stored(tmp_path, values, sentence):
    with pytest.raises(BadValue, match=sentence):
        PseudoLabelStore.create(tmp_path, [*entries(), entry(*values)])
    assert not list(tmp_path.iterdir())


def no_near_decimal(value):
    return np.float32(round(value, 1)) != np.float32(value)


state_boxes = st.floats(0, 2000, width=32).filter(no_near_decimal) | st.integers(0, 20_000).map(
    lambda v: v / 10
)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_reference_json_round_trip(data, tmp_path_factory):
    """What the reference can have written comes back number for number: one decimal, or a 32-bit
    float in full.
    """
    folder = tmp_path_factory.mktemp("json")
    state, names = {}, data.draw(st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=3))
    for name in names:
        state[name] = []
        for _ in range(data.draw(st.integers(1, 2))):
            ids = sorted(data.draw(st.sets(st.integers(0, 99), min_size=1, max_size=5)))
            state[name].append(
                {
                    "key_frame_ids": [i for i in ids if i != ids[-1]] or ids,
                    "relay_frame_ids": ids,
                    "bboxes": [
                        data.draw(st.lists(state_boxes, min_size=4, max_size=4)) for _ in ids
                    ],
                    "confidence": [data.draw(st.integers(0, 10_000)) / 10_000 for _ in ids],
                }
            )
    (folder / "in.json").write_text(json.dumps(state))
    store = PseudoLabelStore.import_json(
        folder / "store", folder / "in.json", dict.fromkeys(names, 100), epoch=60
    )
    store.export_json(folder / "out.json")
    assert store.epoch == 60 and json.loads((folder / "out.json").read_text()) == state


GOOD = {
    "key_frame_ids": [1],
    "relay_frame_ids": [1, 3],
    "bboxes": [[1, 2, 3, 4]] * 2,
    "confidence": [1, 0.9],
}


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("{", "not a JSON file"),
        ([], "not a sampler state"),
        ({"v": {}}, "'v' must hold a list"),
        ({"v": [GOOD, {}]}, "'v', track 1: no list key_frame_ids"),
        (
            {"v": [{**GOOD, "relay_frame_ids": [3, 1]}]},
            "relay_frame_ids must be whole numbers from 0, sorted",
        ),
        ({"v": [{**GOOD, "key_frame_ids": [2]}]}, "a key frame is missing"),
        ({"v": [{**GOOD, "confidence": [1]}]}, "equally many"),
        ({"v": [{**GOOD, "confidence": [1, -1]}]}, "a confidence is not in"),
        ({"v": [{**GOOD, "bboxes": [[1, 2, 3]] * 2}]}, "equally many|plain numbers"),
        ({"v": [{**GOOD, "bboxes": [[1, 2, 3, None]] * 2}]}, "not finite|plain numbers"),
        ({"w": [GOOD]}, "without a known length, e.g. 'w'"),
        ({"short": [GOOD]}, "do not fit into its 3 frames"),
    ],
)
def test_a_state_that_cannot_be_taken_over(tmp_path, state, sentence):
    (tmp_path / "state.json").write_text(state if isinstance(state, str) else json.dumps(state))
    with pytest.raises(BadValue, match=sentence):
        PseudoLabelStore.import_json(
            tmp_path / "store", tmp_path / "state.json", {"v": 5, "short": 3}
        )
    with pytest.raises(MissingFile, match="no sampler state"):
        PseudoLabelStore.import_json(tmp_path / "store", tmp_path / "none.json", {})


def test_an_empty_store_has_an_export(tmp_path):
    PseudoLabelStore.create(tmp_path / "s", []).export_json(tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {}
