"""`track` and `label`: walks from key frames, several objects, resuming, what is written, what is
refused.
"""

import csv
import json
import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.counted import CountedFrames
from ltr.frames.opening import open_video
from ltr.frames.wrappers import descending
from ltr.geometry.array_boxes import paired_iou
from ltr.io import checkpoint
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate import adapting, labelling
from spot_ext.propagate.fuse import Fused
from spot_ext.propagate.key_frame_tracker import TwoTemplates
from spot_ext.propagate.propagation import propagate
from spot_ext.propagate.review import frames_to_review
from tests.spot_ext.own_videos import (
    COLORS,
    COUNT,
    SeeingTracker,
    Video,
    boxes_of,
    drawn,
    spot,
    write_folder,
    write_network,
)


def test_several_objects_are_followed_in_both_directions_and_each_frame_is_read_once_per_direction():
    video, given = Video(), VideoBoxes("v", (drawn("1", 3, 9), drawn("2", 6)))
    found = propagate(video, given, SeeingTracker)
    for name, one in zip(COLORS, found, strict=True):
        assert (
            paired_iou(one.boxes_xywh, boxes_of(name)).min() > 0.9
        )  # also as wide as people drew them
    assert len(video.reads) == 3 + (COUNT - 4) + 9  # key frames, frames 4 to 13, frames 8 to 0
    assert found[0].human.nonzero()[0].tolist() == [3, 9] and found[1].human.nonzero()[
        0
    ].tolist() == [6]


def test_target_known_to_be_absent_is_not_looked_for_behind_that_frame():
    found = propagate(
        Video(hidden=range(6, 14)), VideoBoxes("v", (drawn("1", 2, absent=(8,)),)), SeeingTracker
    )[0]
    assert np.isnan(found.boxes_xywh[8:]).all() and (found.confidences[9:] == 0).all()
    assert np.isfinite(found.boxes_xywh[:5]).all()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            ObjectTrack.drawn("1", [99], [[1, 2, 30, 30]]),
            "frame 99, but the video has frames 0 to 13",
        ),
        (ObjectTrack.drawn("1", [3], [[1, 2, 0.5, 30]]), "frame 3: the box is less than a pixel"),
        (
            ObjectTrack.drawn("1", [3], [[160, 2, 9, 30]]),
            r"frame 3: the box \[160.0, .* outside the frame of 160x120 pixels",
        ),
    ],
    ids=["beyond the end", "no area", "outside"],
)
def test_boxes_that_cannot_be_tracked_are_refused(given, text):
    with pytest.raises(BadValue, match=text):
        propagate(Video(), VideoBoxes("v", (given,)), SeeingTracker)


@pytest.mark.parametrize(
    "megabytes", [0.0, 0.2, 100], ids=["frame by frame", "in chunks", "all at once"]
)
def test_going_backwards_reads_each_frame_once_and_holds_few(megabytes):
    video = Video()
    assert [frame_id for frame_id, _ in descending(video, 11, 2, megabytes)] == list(
        range(11, 1, -1)
    )
    assert sorted(video.reads) == list(range(2, 12))


def test_two_templates_are_mixed_by_their_share():
    net = SimpleNamespace(
        match=lambda templates, x: {
            "score": templates.reshape(-1, 1) + 0 * x.mean((1, 2, 3))[:, None]
        }
    )
    blend, x = TwoTemplates(net, torch.tensor([0.0]), torch.tensor([1.0])), torch.zeros(1, 3, 4, 4)
    for share, expected in ((0.0, 0.0), (0.25, 0.25), (0.75, 0.75), (1.0, 1.0)):
        blend.share = share
        assert blend.track(x)["score"].item() == pytest.approx(expected)


def test_review_lists_the_most_doubtful_first_and_never_what_people_drew():
    confidences = np.linspace(1, 0.55, 30)
    confidences[[4, 7]] = 0.1, 0.3
    boxes = np.tile([1.0, 2, 3, 4], (30, 1))
    boxes[4] = np.nan
    one = Fused(boxes, confidences, np.full(30, 0.2), np.arange(30) % 10 == 0, np.zeros((30, 1)))
    listed = frames_to_review([(VideoBoxes("v", (drawn("1", 0),)), [one])])
    assert [item.frame_id for item in listed] == [4, 7, 29]  # a tenth of 27 frames
    assert [item.score for item in listed] == pytest.approx([0.9, 0.7, 0.45])
    assert listed[0].reason.startswith("no box") and "disagree (overlap 0.20)" in listed[1].reason


# The verbs


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "light.safetensors")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_folder(tmp_path)


def test_label_writes_dense_boxes_review_settings_and_films(folder, network_file, capsys):
    out = folder / "out"
    assert (
        spot(
            "label",
            folder / "videos",
            "--boxes",
            folder / "few.csv",
            "--out",
            out,
            "--net",
            network_file,
            "--no-adapt",
            "--device",
            "cpu",
            "--json",
            "--video",
        )
        == 0
    )
    assert [len(open_video(out / "films" / name)) for name in ("walk.mp4", "run.mp4")] == [
        COUNT
    ] * 2
    summary = json.loads(capsys.readouterr().out)
    assert [video["video"] for video in summary["videos"]] == ["walk", "run"] and not summary[
        "failed"
    ]
    walk, run = formats.read(out / "boxes.csv", "csv")
    assert [len(item.frame_ids) for item in (*walk.objects, *run.objects)] == [COUNT] * 3
    assert np.array_equal(walk.objects[0].boxes_xywh[[0, 9]], boxes_of("1")[[0, 9]])  # as drawn
    assert walk.objects[1].human.nonzero()[0].tolist() == [6]
    rows = list(csv.DictReader((out / "review.csv").read_text().splitlines()))
    assert list(rows[0]) == ["video", "object", "frame", "score", "reason"]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert json.loads((out / "label.json").read_text())["to_review"] == len(rows)


def test_label_goes_on_where_it_was_and_redoes_what_changed(folder, network_file, monkeypatch):
    done = []
    real = labelling.propagate

    def counting(frames, video, *others, **options):
        done.append(video.video)
        if len(done) == 2:
            raise KeyboardInterrupt
        return real(frames, video, *others, **options)

    monkeypatch.setattr(labelling, "propagate", counting)
    job = (
        "label",
        folder / "videos",
        "--boxes",
        folder / "few.csv",
        "--out",
        folder / "out",
        "--net",
        network_file,
        "--no-adapt",
        "--device",
        "cpu",
    )
    with pytest.raises(KeyboardInterrupt):
        spot(*job)
    assert not (folder / "out" / "boxes.csv").exists()
    spot(*job)
    assert done == ["walk", "run", "run"]
    formats.write(
        [
            VideoBoxes("walk", (drawn("1", 0, 9), drawn("2", 6))),
            VideoBoxes("run", (drawn("1", 5, 7),)),
        ],
        folder / "few.csv",
        "csv",
    )
    spot(*job)
    assert done == ["walk", "run", "run", "run"]


def test_label_adapts_first_and_leaves_a_tracker(folder, network_file, monkeypatch, capsys):
    monkeypatch.setattr(adapting, "ITERATIONS", 1)
    job = (
        "label",
        folder / "videos",
        "--boxes",
        folder / "few.csv",
        "--out",
        folder / "out",
        "--net",
        network_file,
        "--epochs",
        "2",
        "--device",
        "cpu",
        "--json",
    )
    assert spot(*job) == 0
    assert json.loads(capsys.readouterr().out)["network"].endswith("tracker.pth.tar")
    first = checkpoint.read_checkpoint(folder / "out" / "tracker.pth.tar")["net"]
    start = checkpoint.read_checkpoint(network_file)["net"]
    changed = [name for name in start if not torch.equal(start[name], first[name])]
    assert any(name.startswith("class_embed") for name in changed) and not any(
        ".stem." in name for name in changed
    )
    assert spot(*job) == 0  # nothing is trained again
    again = checkpoint.read_checkpoint(folder / "out" / "tracker.pth.tar")["net"]
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_label_does_the_other_videos_when_one_is_damaged(folder, network_file, capsys):
    (folder / "videos" / "walk" / "8.png").write_bytes(b"no picture")
    assert (
        spot(
            "label",
            folder / "videos",
            "--boxes",
            folder / "few.csv",
            "--out",
            folder / "out",
            "--net",
            network_file,
            "--no-adapt",
            "--device",
            "cpu",
            "--json",
        )
        == 1
    )
    summary = json.loads(capsys.readouterr().out)
    assert list(summary["failed"]) == ["walk"] and "8.png" in summary["failed"]["walk"]
    assert [video["video"] for video in summary["videos"]] == ["run"]


def test_track_writes_a_line_a_frame_and_a_video(folder, network_file, capsys):
    pictures = folder / "videos" / "walk"
    spot(
        "track",
        pictures,
        "--box",
        "22,29,20,16",
        "--start",
        3,
        "--out",
        folder / "t.csv",
        "--video",
        folder / "t.avi",
        "--net",
        network_file,
        "--device",
        "cpu",
        "--json",
    )
    summary = json.loads(capsys.readouterr().out)
    tracked = formats.read(folder / "t.csv", "csv")[0]
    assert tracked.video == "walk" and tracked.objects[0].frame_ids.tolist() == list(
        range(3, COUNT)
    )
    assert (
        tracked.objects[0].boxes_xywh[0].tolist() == [22, 29, 20, 16] and summary["frames"] == COUNT
    )
    assert len(CountedFrames(folder / "t.avi")) == COUNT - 3


BAD = {
    "three numbers": (["--box", "1,2,3"], "expected four numbers x,y,w,h"),
    "no area": (["--box", "1,2,0,5"], "at least 1 pixel"),
    "outside": (["--box", "500,2,9,5"], "outside its frame of 160x120"),
    "late start": (["--box", "1,2,9,5", "--start", "99"], "has frames 0 to 13"),
}


@pytest.mark.parametrize(("arguments", "text"), BAD.values(), ids=BAD)
def test_track_refuses_in_a_sentence(folder, network_file, arguments, text):
    with pytest.raises(BadValue, match=text):
        spot(
            "track",
            folder / "videos" / "walk",
            *arguments,
            "--out",
            folder / "t.csv",
            "--net",
            network_file,
        )


def test_network_of_another_kind_is_refused(tmp_path, folder):
    checkpoint.write_checkpoint(tmp_path / "net.pth.tar", {"net": {"a": torch.zeros(1)}})
    with pytest.raises(BadInput, match="does not say which network it holds"):
        spot(
            "track",
            folder / "videos" / "walk",
            "--box",
            "1,2,9,5",
            "--out",
            folder / "t.csv",
            "--net",
            tmp_path / "net.pth.tar",
        )


def test_video_files_are_counted_the_same_by_both_decoders(folder):
    pytest.importorskip("av", reason="video files need the extra 'video'")
    from pytracking.evaluation.video import VideoWriter

    writer = VideoWriter(folder / "a.mp4", 25)
    for frame_id in range(COUNT):
        writer.write(Video().read(frame_id))
    writer.close()
    one, other = open_video(folder / "a.mp4"), CountedFrames(folder / "a.mp4")
    assert len(one) == len(other) == COUNT
    for frame_id in (9, 2, 13):
        assert np.abs(one.read(frame_id).astype(int) - other.read(frame_id)).mean() < 4


@pytest.mark.parametrize("opener", [open_video, CountedFrames], ids=["PyAV", "OpenCV"])
def test_frames_of_a_variable_rate_are_the_pictures_one_after_the_other(folder, opener):
    av = pytest.importorskip("av", reason="video files need the extra 'video'")
    times = np.cumsum(np.random.default_rng(0).integers(10, 400, COUNT))  # milliseconds
    with av.open(str(folder / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.time_base = (
            160,
            120,
            "yuv420p",
            Fraction(1, 1000),
        )
        for frame_id, time in enumerate(times.tolist()):
            picture = av.VideoFrame.from_ndarray(Video().read(frame_id), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    frames = opener(folder / "a.mkv")
    assert len(frames) == COUNT
    for frame_id in (9, 2, 13):
        assert np.abs(frames.read(frame_id).astype(int) - Video().read(frame_id)).mean() < 8


@pytest.mark.parametrize("opener", [open_video, CountedFrames], ids=["PyAV", "OpenCV"])
def test_a_file_that_cannot_be_decoded_is_named_in_a_sentence(tmp_path, opener):
    pytest.importorskip("av", reason="video files need the extra 'video'")
    (tmp_path / "a.mp4").write_bytes(b"no video" * 99)
    with pytest.raises(BadInput, match=r"a\.mp4 cannot be opened.*(copy|convert)"):
        len(opener(tmp_path / "a.mp4"))


@pytest.mark.slow
def test_memory_stays_flat_on_an_hour_of_video(tmp_path):
    """108,000 frames of 9 KB, forwards and backwards: a gigabyte if they were kept. With -s it says
    how much memory grew.
    """
    av = pytest.importorskip("av", reason="video files need the extra 'video'")
    count, page = 108_000, os.sysconf("SC_PAGE_SIZE")
    pictures = [np.ascontiguousarray(Video(count=30).read(i)[:48, :64]) for i in range(30)]
    with av.open(str(tmp_path / "hour.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 250
        for number in range(count):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(pictures[number % 30], format="rgb24"))
            )
        container.mux(stream.encode())

    def memory() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page / 2**20

    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is read from /proc")
    frames, peak, before = open_video(tmp_path / "hour.mp4"), [0.0], memory()
    given = VideoBoxes("hour", (ObjectTrack.drawn("1", [0, count // 2], [[10, 20, 20, 16]] * 2),))

    def tick():
        if len(peak) % 500 == 0:
            peak[0] = max(peak[0], memory())
        peak.append(0.0)

    propagate(frames, given, SeeingTracker, tick)
    print(
        f"\n{before:.0f} MB before, at most {peak[0]:.0f} MB: {peak[0] - before:.0f} MB more in "
        f"{len(peak) - 1} steps"
    )
    assert len(frames) == count and peak[0] - before < 300
