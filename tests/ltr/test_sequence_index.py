"""The index of parsed annotation: made once, never stale, never in the way of sparse training."""

import multiprocessing
import pickle

import numpy as np
import pytest

from ltr.admin.errors import BadValue
from ltr.dataset import Got10k, TrackingNet, file_video_dataset
from ltr.dataset.sequence_index import SequenceIndex
from ltr.io.array_file import open_arrays, write_arrays


@pytest.fixture
def parsed(monkeypatch):
    """Names of the annotation files that were parsed whole."""
    names = []
    read = file_video_dataset.read_boxes

    def counting(path, rows=None):
        if rows is None:
            names.append(path.stem)
        return read(path, rows)

    monkeypatch.setattr(file_video_dataset, "read_boxes", counting)
    return names


def boxes(data):
    return [data.get_sequence_info(i)["bbox"].tolist() for i in range(len(data))]


def index_files(local_py):
    return sorted((local_py.parent / "ws" / "dataset_index").glob("*.safetensors"))


def test_text_is_parsed_once(trackingnet_root, local_py, parsed):
    before = {path: path.stat().st_mtime_ns for path in trackingnet_root.rglob("*")}
    first = boxes(TrackingNet(trackingnet_root))
    assert sorted(parsed) == ["a", "b", "c"] and len(index_files(local_py)) == 1
    again = TrackingNet(trackingnet_root)
    assert boxes(again) == first and boxes(pickle.loads(pickle.dumps(again))) == first
    assert len(parsed) == 3
    assert {
        path: path.stat().st_mtime_ns for path in trackingnet_root.rglob("*")
    } == before  # nothing beside the data


def test_what_changed_and_what_is_new_is_parsed_again(trackingnet_root, local_py, parsed, trees):
    assert boxes(TrackingNet(trackingnet_root, set_ids=[0]))
    del parsed[:]
    anno = trackingnet_root / "TRAIN_0" / "anno"
    anno.joinpath("a.txt").write_text("1,2,3,4\n" * 5)
    anno.joinpath("d.txt").write_text(trees.box_lines(3))
    data = TrackingNet(trackingnet_root)  # and set 2, which no index knows yet
    assert [len(rows) for rows in boxes(data)] == [5, 12, 3, 12] and sorted(parsed) == [
        "a",
        "c",
        "d",
    ]


def test_other_parts_of_a_data_set_keep_their_records(trackingnet_root, local_py, parsed):
    for set_ids in ([0], [2], [0], None):
        assert boxes(TrackingNet(trackingnet_root, set_ids=set_ids))
    assert sorted(parsed) == ["a", "b", "c"]


def test_flags_count_as_annotation(got10k_root, local_py):
    assert Got10k(got10k_root).get_visible(1).sum() == 25
    (got10k_root / "GOT-10k_Train_000002" / "absence.label").write_text("1\n" * 25)
    assert Got10k(got10k_root).get_visible(1).sum() == 0


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:100], lambda data: b"", lambda data: b"x" * 300],
    ids=["cut", "empty", "other"],
)
def test_a_damaged_index_is_made_anew(trackingnet_root, local_py, parsed, damage):
    first = boxes(TrackingNet(trackingnet_root))
    (file,) = index_files(local_py)
    file.write_bytes(damage(file.read_bytes()))
    assert boxes(TrackingNet(trackingnet_root)) == first and len(parsed) == 6
    assert boxes(TrackingNet(trackingnet_root)) == first and len(parsed) == 6


def test_one_bad_sequence_does_not_hinder_the_others(got10k_root, local_py, caplog):
    bad = got10k_root / "GOT-10k_Train_000001" / "groundtruth.txt"
    bad.write_text(bad.read_text().replace("13.00", "thirteen"))
    for _ in range(2):
        data = Got10k(got10k_root)
        assert len(data.get_sequence_info(1)["bbox"]) == 25
        with pytest.raises(BadValue, match=r"000001.groundtruth.txt line 4: .*thirteen"):
            data.get_sequence_info(0)
    assert caplog.text.count("the annotation of 1 sequences cannot be used") == 1


def test_sparse_reading_makes_no_index_and_parses_nothing_else(got10k_root, local_py, parsed):
    data = Got10k(got10k_root)
    text = data.get_boxes(0, [8, 2]).tolist(), data.get_sequence_length(0)
    assert parsed == [] and index_files(local_py) == []
    data.prepare()
    assert (data.get_boxes(0, [8, 2]).tolist(), data.get_sequence_length(0)) == text
    with pytest.raises(BadValue, match="no box for frame 25"):
        data.get_boxes(0, [25])


def test_without_a_workspace_nothing_is_written(trackingnet_root, no_local_py, parsed):
    data = TrackingNet(trackingnet_root)
    assert boxes(data) == boxes(data) and sorted(parsed) == ["a", "b", "c"]
    assert list(no_local_py.parent.parent.glob("**/dataset_index")) == []


def test_a_workspace_that_cannot_be_written_is_no_obstacle(trackingnet_root, local_py, caplog):
    (local_py.parent / "ws").write_text("a file")
    assert len(boxes(TrackingNet(trackingnet_root))) == 3
    assert "cannot be written" in caplog.text


def open_in_process(root, barrier, queue, parsed):
    barrier.wait()
    queue.put((boxes(TrackingNet(root)), len(parsed)))


def test_of_processes_that_open_at_once_one_parses(trackingnet_root, local_py, parsed):
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=open_in_process, args=(trackingnet_root, barrier, queue, parsed))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(count for _, count in found) == [0, 0, 3]
    assert [read for read, _ in found] == [boxes(TrackingNet(trackingnet_root))] * 3


def test_records_are_views_of_the_file_and_cannot_be_changed(tmp_path):
    (tmp_path / "a.txt").write_text("")
    index = SequenceIndex.open(
        tmp_path / "i.safetensors",
        ["a"],
        [[tmp_path / "a.txt"]],
        lambda i: {"x": np.arange(4)},
        "test",
    )
    assert index[0]["x"].tolist() == [0, 1, 2, 3] and len(index) == 1
    with pytest.raises(ValueError, match="read-only"):
        index[0]["x"][0] = 1


def test_array_files_round_trip(tmp_path):
    arrays = {
        "boxes": np.arange(8, dtype=np.float32).reshape(2, 4),
        "none": np.empty((0, 3), np.int64),
        "odd": np.array([1, 2, 3], np.uint8),
    }
    write_arrays(tmp_path / "f", arrays, {"format": 1, "names": ["ä"]})
    read, info = open_arrays(tmp_path / "f", verify=True)
    assert info == {"format": 1, "names": ["ä"]} and set(read) == set(arrays)
    assert all(
        read[key].dtype == arrays[key].dtype and np.array_equal(read[key], arrays[key])
        for key in arrays
    )


def _flip_a_value(content: bytes) -> bytes:
    start = 8 + int.from_bytes(content[:8], "little")
    return content[: start + 2] + bytes([content[start + 2] ^ 0x40]) + content[start + 3 :]


@pytest.mark.parametrize(
    "damage",
    [
        _flip_a_value,
        lambda content: content.replace(b'"F32"', b'"F23"'),
        lambda content: content.replace(b'"shape":[3,4]', b'"shape":[9,4]'),
        lambda content: content[:-3],
        lambda content: b"",
    ],
)
def test_a_damaged_index_is_told_and_made_again(damage, tmp_path, caplog):
    annotation = tmp_path / "truth.txt"
    annotation.write_text("1,2,3,4\n")
    file = tmp_path / "index.safetensors"

    def values():
        boxes = np.full((3, 4), 7, np.float32)
        read = SequenceIndex.open(file, ["walk"], [[annotation]], lambda _: {"b": boxes}, "x")
        # A copy: the map of a file that is cut short ends the process.
        return read[0]["b"].copy()

    expected = values()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert np.array_equal(values(), expected)
    assert "is damaged" in caplog.text and "it is made again" in caplog.text
    assert np.array_equal(values(), expected)
