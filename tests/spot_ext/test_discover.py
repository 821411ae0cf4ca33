"""Finding targets in videos without labels: flow against the camera, links, judgement, and a file
that training takes.
"""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput
from ltr.dataset.video_folder import VideoFolder
from ltr.geometry.array_boxes import iou_matrix
from spot_ext.__main__ import main
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import quality_of
from spot_ext.discover.boxes import moved, touches_border
from spot_ext.discover.camera import Flow
from spot_ext.discover.linking import Linker, Track, carried_by
from spot_ext.discover.motion import motion_tracks
from spot_ext.discover.quality import Limits, Target, best_of, judge, judge_pieces, thinned
from spot_ext.discover.sheet import contact_sheet
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.data.videos import VideoPool
from spot_ext.training.recipe import open_datasets

SIZE = (160, 120)  # width, height
SIDE = 28


def texture(seed: int, width: int, height: int, grain: int = 5) -> np.ndarray:
    small = np.random.default_rng(seed).integers(
        30, 225, (height // grain + 2, width // grain + 2, 3), dtype=np.uint8
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def video(count: int = 16, speeds=((2, 1),), pan: int = 1, cut: int | None = None):
    """Frames of a panning camera with squares that move against it, and their boxes (objects, T,
    4).
    """
    world, boxes = texture(0, 300, SIZE[1], 9), np.zeros((len(speeds), count, 4))
    frames = []
    for t in range(count):
        source = texture(9, 300, SIZE[1], 9) if cut is not None and t >= cut else world
        frame = source[:, 20 + pan * t : 20 + pan * t + SIZE[0]].copy()
        for i, (vx, vy) in enumerate(speeds):
            x, y = 30 + 70 * i + vx * t, 30 + vy * t
            frame[y : y + SIDE, x : x + SIDE] = texture(i + 1, SIDE, SIDE)
            boxes[i, t] = x, y, SIDE, SIDE
        frames.append(frame)
    return frames, boxes


def write(folder: Path, frames) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, 1):
        cv2.imwrite(str(folder / f"{number:08d}.png"), frame[..., ::-1])


@pytest.fixture
def videos(tmp_path) -> Path:
    write(tmp_path / "videos" / "one", video()[0])
    write(tmp_path / "videos" / "two", video(14, speeds=((0, 1), (-1, 2)), pan=2)[0])
    write(tmp_path / "videos" / "still", [texture(0, *SIZE)] * 8)
    return tmp_path / "videos"


def mean_overlap(frame_ids, boxes, truth) -> float:
    return float(
        np.mean(
            [
                iou_matrix(box[None], truth[i][None])[0, 0]
                for i, box in zip(frame_ids, boxes, strict=True)
            ]
        )
    )


def test_the_camera_is_not_a_target_and_the_target_is():
    tracks = list(motion_tracks(iter(video()[0]), 6))
    assert len(tracks) == 1
    assert mean_overlap(tracks[0].frame_ids, tracks[0].boxes_xywh, video()[1][0]) > 0.7
    assert list(motion_tracks(iter(video(speeds=())[0]), 3)) == []


def test_two_targets_are_two_tracks():
    frames, truth = video(speeds=((0, 1), (-1, 2)))
    tracks = sorted(motion_tracks(iter(frames), 8), key=lambda track: track.boxes_xywh[0][0])
    assert len(tracks) == 2
    assert all(
        mean_overlap(track.frame_ids, track.boxes_xywh, boxes) > 0.6
        for track, boxes in zip(tracks, truth, strict=True)
    )


def test_a_cut_ends_tracks():
    frames, _ = video(20, cut=10)
    frames = frames[:10] + [frame[:, ::-1] for frame in frames[10:]]
    spans = [(track.frame_ids[0], track.frame_ids[-1]) for track in motion_tracks(iter(frames), 4)]
    assert spans and all(last < 10 or first >= 10 for first, last in spans)


def test_large_frames_have_boxes_in_their_own_pixels():
    frames, truth = video()
    large = [cv2.resize(frame, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) for frame in frames]
    track = next(iter(motion_tracks(iter(large), 6)))
    assert mean_overlap(track.frame_ids, track.boxes_xywh, 4 * truth[0]) > 0.6


def test_motion_of_a_panning_camera_leaves_no_residual():
    frames, _ = video(2, speeds=(), pan=3)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    motion = Flow().motion(*grey)
    assert motion.same_scene and motion.inliers > 0.9 and np.median(motion.residual) < 0.3
    assert np.median(motion.flow[..., 0]) == pytest.approx(-3, abs=0.2)
    assert motion.outside[:, 0].all() and not motion.outside[:, 10:].any()


@settings(deadline=None, max_examples=30)
@given(dx=st.floats(-9, 9), dy=st.floats(-9, 9), scale=st.floats(0.9, 1.1))
def test_boxes_follow_shift_and_zoom(dx, dy, scale):
    box = np.array([40.0, 30, 24, 36])
    ys, xs = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    center = box[:2] + box[2:] / 2
    flow = np.stack([(xs - center[0]) * (scale - 1) + dx, (ys - center[1]) * (scale - 1) + dy], 2)
    expected = np.concatenate([center + np.array([dx, dy]) - scale * box[2:] / 2, scale * box[2:]])
    assert moved(box, flow) == pytest.approx(expected, abs=0.6)
    assert iou_matrix(box[None], box[None])[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("box", "touching"),
    [
        ((1, 50, 9, 9), True),
        ((50, 50, 9, 9), False),
        ((151, 50, 9, 9), True),
        ((50, 112, 9, 8), True),
    ],
)
def test_border(box, touching):
    assert touches_border(np.array([box], float), SIZE, 2)[0] == touching


def test_links_survive_a_short_gap_and_not_a_long_one():
    still = np.zeros((*SIZE[::-1], 2), np.float32)
    box, none, one = np.array([[50.0, 40, 20, 20]]), np.empty((0, 4)), np.ones(1)
    for gap, tracks in ((2, 1), (6, 2)):
        linker, ended = Linker(2), []
        for t in range(4 + gap + 4):
            hidden = 4 <= t < 4 + gap
            ended += linker.step(
                t, none if hidden else box, np.empty(0) if hidden else one, carried_by(still, still)
            )
        assert len(ended + linker.finish()) == tracks


def track(boxes, overlaps=0.9, agreement=1.0, score=1.0) -> Track:
    count = len(boxes)
    return Track(
        list(range(count)),
        [np.array(box, float) for box in boxes],
        [score] * count,
        [overlaps] * (count - 1),
        [agreement] * (count - 1),
    )


GOOD = [(40 + t, 40, 20, 20) for t in range(12)]


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        (track(GOOD), ""),
        (track(GOOD[:5]), "too short"),
        (track([(t, 0, 20, 20) for t in range(12)]), "at the border"),
        (track([(40, 40, 6, 6)] * 12), "too small"),
        (track([(10, 10, 130, 100)] * 12), "too large"),
        (track(GOOD, agreement=0.3), "poor"),
        (track(GOOD, overlaps=0.5, score=0.6), "poor"),
    ],
    ids=[
        "good",
        "short",
        "border",
        "small",
        "large",
        "flow does not lead back",
        "jumping and doubtful",
    ],
)
def test_judgement(found, refused):
    assert judge(found, SIZE, Limits()).refused == refused


def test_wrong_boxes_are_taken_out():
    boxes = [*GOOD[:6], (46, 40, 60, 60), *GOOD[7:]]
    target, good = judge(track(boxes), SIZE, Limits()), judge(track(GOOD), SIZE, Limits())
    assert (
        6 not in target.frame_ids and len(target.frame_ids) == 11 and target.quality < good.quality
    )


def test_good_stretches_of_a_track_are_judged_each_for_itself():
    """Two of them around one at the border, the way between as long as a gap may be (kept whole) or
    longer (cut).
    """

    def around(wrong: int) -> Track:
        return track([*GOOD, *[(0, 40, 20, 20)] * wrong, *GOOD], agreement=0.9)

    (whole,) = judge_pieces(around(3), SIZE, Limits())
    assert whole.frame_ids.tolist() == [*range(12), *range(15, 27)]
    first, second = judge_pieces(around(20), SIZE, Limits())
    assert first.frame_ids.tolist() == list(range(12)) and second.frame_ids.tolist() == list(
        range(32, 44)
    )
    assert (
        first.quality
        == pytest.approx(judge(track(GOOD, agreement=0.9), SIZE, Limits()).quality)
        == second.quality
    )
    assert judge(around(20), SIZE, Limits()).quality < 0.6 * first.quality
    assert [
        target.refused
        for target in judge_pieces(track([(t, 0, 20, 20) for t in range(12)]), SIZE, Limits())
    ] == ["at the border"]


def test_one_object_is_kept_once_and_the_best_first():
    good, twin, other = (
        judge(track(boxes, overlaps), SIZE, Limits())
        for boxes, overlaps in (
            (GOOD, 0.9),
            ([(x + 1, y, w, h) for x, y, w, h in GOOD], 0.8),
            ([(x, y + 50, w, h) for x, y, w, h in GOOD], 0.7),
        )
    )
    assert [target.refused for target in best_of([other, twin, good], 5)] == ["", "found twice", ""]
    assert [target.refused for target in best_of([other, twin, good], 1)] == [
        "",
        "found twice",
        "beyond the limit",
    ]


def test_thinning_keeps_the_most_trusted_of_each_part():
    target = Target(np.arange(6), np.ones((6, 4)), np.array([0.1, 0.9, 0.2, 0.3, 0.4, 0.8]), 1.0)
    assert thinned(target, 2).frame_ids.tolist() == [1, 5] and thinned(target, 9) is target


def test_the_sheet_shows_each_target_once_best_left_and_worst_right():
    boxes = np.tile([40.0, 30, 20, 20], (3, 1))
    targets = [(f"v{i}", i, Target(np.arange(3), boxes, np.ones(3), 1 - i / 10)) for i in range(5)]
    shown = []
    sheet = contact_sheet(
        targets,
        lambda seq_id, frame_id: shown.append(seq_id) or np.zeros((120, 160, 3), np.uint8),
        rows=2,
    )
    assert list(dict.fromkeys(shown)) == [0, 1, 4, 3] and sheet.ndim == 3
    assert contact_sheet([], None).shape[2] == 3


def test_motion_labels_train_the_sparse_stage(videos, tmp_path, capsys):
    """What the verb writes is opened by a recipe as it is: several paths a video, boxes from the
    file.
    """
    main(["discover", str(videos), "--mode", "motion", "--out", str(tmp_path / "found"), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert (summary["videos"], summary["with_targets"], summary["targets"], summary["frames"]) == (
        3,
        2,
        3,
        38,
    )
    assert Path(summary["sheet"]).is_file()
    labels = label_file.read(summary["labels"])
    assert (labels.mode, labels.extra["stage"], labels.failures) == ("mot", ["sparse"], ("still",))
    assert [len(labels.videos[name].tracks) for name in ("one", "two")] == [1, 2]
    assert all(
        0.3 <= quality_of(path) <= 1 for video in labels.videos.values() for path in video.tracks
    )
    part = DatasetConfig("VideoFolder", {"root": str(videos)}, labels=summary["labels"])
    sources = open_datasets(SparseConfig((part,)), 0, tmp_path / "labels")
    pool = VideoPool(sources, tmp_path / "run" / "store")
    store = pool.open_store(sources)
    assert pool.num_paths == 3
    path = labels.videos["one"].tracks[0]
    assert store.track(0).box_xywh(path.frame_ids[0]) == pytest.approx(path.boxes_xywh[0], abs=0.06)
    assert pool.draw_path("sparse", np.random.default_rng(0)) in range(3)
    with pytest.raises(BadInput, match="burnin"):
        pool.draw_path("burnin", np.random.default_rng(0))


def test_a_video_that_cannot_be_read_does_not_stop_the_others(videos, tmp_path, capsys, caplog):
    (videos / "one" / "00000003.png").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING):
        main(["discover", str(videos), "--mode", "motion", "--out", str(tmp_path / "found")])
    assert "one is left out" in caplog.text
    out = capsys.readouterr().out
    assert "in 1 of 3 videos" in out and "1 videos could not be read" in out


def test_one_video_of_a_folder(videos, tmp_path, capsys):
    main(
        [
            "discover",
            str(videos / "two"),
            "--mode",
            "motion",
            "--out",
            str(tmp_path),
            "--targets",
            "1",
            "--boxes",
            "2",
        ]
    )
    (path,) = label_file.read(next(tmp_path.glob("*_mot_002.json"))).videos["two"].tracks
    assert len(path.frame_ids) == 2
    assert VideoFolder(str(videos)).get_sequence_length(2) == 14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--mode", "motion"], "neither a folder nor a video"),
        (["VIDEOS", "--mode", "motion", "--detections", "x.json"], "motion needs neither"),
        (["VIDEOS", "--mode", "det", "--detections", "x.json"], "no file of detections x.json"),
        (["VIDEOS", "--mode", "mot"], "pretrained_networks"),
        (["VIDEOS", "--mode", "mot", "--detector", "fasterrcn"], "is not known"),
        (["VIDEOS", "--mode", "motion", "--least-quality", "3"], "from 0 to 1"),
    ],
)
def test_verb_refuses(videos, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    with pytest.raises(BadInput, match=message):
        main(
            [
                "discover",
                *[str(videos) if word == "VIDEOS" else word for word in arguments],
                "--out",
                str(tmp_path / "found"),
            ]
        )
    assert not (tmp_path / "found").exists()
