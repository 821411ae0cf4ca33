"""Own videos: frames from files and folders, the loop with and without a window, what is saved,
what is said.
"""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.streams import open_stream
from pytracking.evaluation import Tracker, video_run, video_window
from pytracking.evaluation.video import VideoWriter
from pytracking.evaluation.video_window import BoxDrawing, VideoWindow
from pytracking.run_video import run_video

BOX = [10.0, 10.0, 20.0, 20.0]
SCRIPT = Path(__file__).resolve().parents[2] / "pytracking" / "run_video.py"
DOWN, UP, MOVE, RIGHT = (
    cv2.EVENT_LBUTTONDOWN,
    cv2.EVENT_LBUTTONUP,
    cv2.EVENT_MOUSEMOVE,
    cv2.EVENT_RBUTTONDOWN,
)


def make_video(path, frames: int = 6) -> str:
    """Red frames (RGB 250, 0, 0), 80x60."""
    writer = VideoWriter(path, 10)
    for _ in range(frames):
        writer.write(np.full((60, 80, 3), (250, 0, 0), np.uint8))
    writer.close()
    return str(path)


def read_all(place) -> list[np.ndarray]:
    with open_stream(place) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        source.check_complete()
    return frames


@pytest.fixture
def headless(monkeypatch):
    monkeypatch.setattr(video_run, "window_problem", lambda: "there is no display")


@pytest.fixture
def screen(monkeypatch):
    """A window without a screen: `keys` are pressed one per picture, `at` gives what the mouse
    draws before a picture.
    """

    class Screen(VideoWindow):
        keys, boxes, pictures = [], {}, []

        def __init__(self, title):
            self.title, self.drawing = title, BoxDrawing()
            self.drawing.finished += self.boxes.get(0, [])

        def show(self, picture, number, paused):
            self.pictures.append((picture, paused))
            self.drawing.finished += self.boxes.get(len(self.pictures), [])
            return self.keys.pop(0) if self.keys else None

        def close(self):
            self.title = None

    Screen.keys, Screen.boxes, Screen.pictures = [], {}, []
    monkeypatch.setattr(video_run, "window_problem", lambda: None)
    monkeypatch.setattr(video_run, "VideoWindow", Screen)
    return Screen


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_video_file_gives_rgb_frames(tmp_path, name):
    frames = read_all(make_video(tmp_path / name))
    assert len(frames) == 6 and frames[0].shape == (60, 80, 3)
    assert (np.abs(frames[3].astype(int) - (250, 0, 0)) < 12).all()
    with open_stream(str(tmp_path / name)) as source:
        assert (source.total, source.fps, source.stem, source.live) == (6, 10, "a", False)


@pytest.mark.parametrize("sub", ["", "img"])
def test_folder_gives_its_images_in_natural_order(tmp_path, sub):
    folder = tmp_path / "clip" / sub
    folder.mkdir(parents=True)
    for number in (9, 10, 100):
        cv2.imwrite(str(folder / f"f{number}.png"), np.full((4, 4, 3), number, np.uint8))
    assert [frame[0, 0, 0] for frame in read_all(tmp_path / "clip")] == [9, 10, 100]
    assert open_stream(tmp_path / "clip").stem == "clip"


def broken(path: Path, kind: str) -> str:
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("hello")
    elif kind == "no index":  # an mp4 ends with the index of its frames
        path.write_bytes(Path(make_video(path.with_name("whole.mp4"))).read_bytes()[:500])
    elif kind == "folder":
        path.mkdir()
    return str(path)


@pytest.mark.parametrize(
    "kind, expected",
    [
        ("missing", "there is no video file or folder .*clip.mp4"),
        ("empty", "clip.mp4 is empty"),
        ("text", "clip.mp4 cannot be opened as a video"),
        ("no index", "clip.mp4 cannot be opened as a video"),
        ("folder", "clip.mp4 holds no images"),
    ],
)
def test_what_is_no_video_is_named(machine, headless, kind, expected):
    with pytest.raises(BadInput, match=expected):
        run_video("moving", "default", broken(machine.root / "clip.mp4", kind), BOX)


def test_missing_video_is_an_assertion_error_as_in_pytracking(machine):
    with pytest.raises(AssertionError, match="no video file"):
        run_video("moving", "default", "nowhere.mp4", BOX)


def test_truncated_video_is_an_error_and_what_there_is_is_kept(machine, headless):
    data = Path(make_video(machine.root / "whole.avi", 60)).read_bytes()
    (machine.root / "half.avi").write_bytes(data[: len(data) // 2])
    with pytest.raises(
        BadInput, match=r"half\.avi is truncated: it ends after .* \d+ frames are there"
    ):
        run_video("moving", "default", machine.root / "half.avi", BOX, save_results=True)
    assert (
        10
        < len(
            (machine.results_path / "moving" / "default" / "video_half_1.txt")
            .read_text()
            .splitlines()
        )
        < 50
    )


def test_video_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(BadValue, match=r"clip\.gif: a video is written as \.mp4"):
        VideoWriter(tmp_path / "clip.gif", 10)
    writer = VideoWriter(tmp_path / "new" / "clip.mp4", 10)
    writer.write(np.zeros((60, 80, 3), np.uint8))
    assert not (tmp_path / "new" / "clip.mp4").exists()
    writer.write(np.zeros((30, 30, 3), np.uint8))  # another size is scaled
    writer.close()
    assert (
        os.listdir(tmp_path / "new") == ["clip.mp4"]
        and len(read_all(tmp_path / "new" / "clip.mp4")) == 2
    )


def test_without_display_boxes_and_annotated_video_are_saved(machine, headless, calls, caplog):
    caplog.set_level("INFO")
    video = make_video(machine.root / "clip.mp4")
    boxes = run_video(
        "moving",
        "default",
        video,
        [*BOX, 40, 30, 9, 9],
        save_results=True,
        save_video=machine.root / "out.mp4",
    )
    assert boxes[1][:2] == [BOX, [11.6, 10, 20, 20]] and len(boxes[2]) == 6
    folder = machine.results_path / "moving" / "default"
    assert (folder / "video_clip_1.txt").read_text().splitlines()[:3] == [
        "10\t10\t20\t20",
        "11\t10\t20\t20",
        "13\t10\t20\t20",
    ]
    assert sorted(os.listdir(folder)) == ["video_clip_1.txt", "video_clip_2.txt"]
    first, *_ = drawn = read_all(machine.root / "out.mp4")
    assert (
        len(drawn) == 6 and first[30, 45, 2] > 40 > first[5, 70, 2]
    )  # blue: the upper edge of the second box
    assert (
        "frame 6 of 6" in caplog.text
        and f"object 2, frames 0 to 5: {folder}/video_clip_2.txt" in caplog.text
    )
    image = next(image for name, image, _ in calls if name == "track")
    assert image[0, 0, 0] > 200 > 50 > image[0, 0, 2]  # RGB


def test_what_the_tracker_is_told(machine, headless, calls):
    tracker = Tracker("moving", "default")
    tracker.tracker_class = type(
        "Several",
        (tracker.tracker_class,),
        {
            "multiobj_mode": "default",
            "initialize": lambda self, image, info: calls.append(("initialize", image, info)),
            "track": lambda self, image, info: (
                calls.append(("track", image, info)) or {"target_bbox": {1: [0, 0, 5, 5]}}
            ),
        },
    )
    boxes = tracker.run_video_generic(
        videofilepath=make_video(machine.root / "c.mp4", 3), optional_box=BOX, debug=0
    )
    assert [name for name, *_ in calls] == ["create", "initialize", "track", "track"]
    params = calls[0][1]
    assert (params.debug, params.tracker_name, params.param_name) == (0, "moving", "default")
    assert calls[1][2] == {
        "init_bbox": {1: BOX},
        "init_object_ids": [1],
        "object_ids": [1],
        "sequence_object_ids": [1],
    }
    assert calls[2][2] == {"previous_output": {"target_bbox": {1: BOX}}, "sequence_object_ids": [1]}
    assert boxes == {1: [BOX, [0, 0, 5, 5], [0, 0, 5, 5]]}


@pytest.mark.parametrize(
    "box, expected",
    [
        ([1, 2, 3], "has 3 numbers"),
        ([], "has 0 numbers"),
        ([1, 2, 3, 0], "w and h above 0"),
        ("abc", "no list of numbers"),
        ([1, 2, float("nan"), 4], "is no box"),
        ([90, 1, 5, 5], r"outside the frames of video .*c\.mp4.* 80x60"),
        ([-9, 1, 5, 5], "outside the frames"),
    ],
)
def test_box_that_is_none(machine, headless, box, expected):
    with pytest.raises(AssertionError, match=expected):
        run_video("moving", "default", make_video(machine.root / "c.mp4", 2), box)


@pytest.mark.parametrize("boxes", [np.ones(4), [[1, 1, 1, 1], (1, 1, 1, 1)], (1, 1, 1, 1) * 3])
def test_every_form_of_boxes_to_start_from(boxes):
    assert video_run.start_boxes(boxes) == [[1, 1, 1, 1]] * (np.size(boxes) // 4)


def test_without_display_and_box_the_way_out_is_named(machine, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "moving", "default", make_video(machine.root / "c.mp4", 2)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        "no display (DISPLAY is not set) - give it in pixels with --optional_box X Y W H"
        in done.stderr
    )


def test_script_shows_one_sentence_and_nothing_of_the_decoder(machine):
    video = broken(machine.root / "clip.mp4", "no index")
    done = subprocess.run(
        [
            sys.executable,
            str(SCRIPT),
            "moving",
            "default",
            video,
            "--optional_box",
            "1",
            "1",
            "9",
            "9",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: {video} cannot be opened as a video")


@pytest.mark.parametrize(
    "message, expected",
    [
        (
            "error: (-2:Unspecified error) The function is not implemented. Rebuild",
            "opencv-python-headless",
        ),
        ("qt.qpa.xcb: could not connect to display", "display ':9' cannot be used"),
    ],
)
def test_display_that_cannot_be_used_is_found_out_in_another_process(
    monkeypatch, message, expected
):
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setattr(
        video_window.subprocess,
        "run",
        lambda *args, **kwargs: subprocess.CompletedProcess([], 1, "", message),
    )
    assert expected in video_window.window_problem()


def test_video_in_a_window_waits_for_boxes_and_goes_on(machine, screen, calls):
    screen.keys[:] = [None, None, None, " "]  # paused on the first frame until the fourth picture
    screen.boxes.update({2: [BOX], 3: [[40, 30, 9, 9]]})
    boxes = run_video("moving", "default", make_video(machine.root / "c.mp4", 4), save_results=True)
    assert [paused for _, paused in screen.pictures] == [True] * 4 + [False] * 3
    assert len(boxes[1]) == 4 and len(boxes[2]) == 4  # a frame on which boxes are drawn counts once
    assert boxes[2][:2] == [[40, 30, 9, 9], [41.6, 30, 9, 9]]


def test_more_than_nine_objects(machine, screen):
    screen.keys[:] = [" "]
    screen.boxes[0] = [[number, number, 10, 10] for number in range(12)]
    boxes = run_video("moving", "default", make_video(machine.root / "c.mp4", 3), save_results=True)
    assert list(boxes) == list(range(1, 13))
    assert (machine.results_path / "moving" / "default" / "video_c_12.txt").is_file()


def test_reset_forgets_all_and_numbers_anew(machine, screen):
    screen.keys[:] = [" ", None, "r", None, None]
    screen.boxes.update({0: [BOX, BOX], 4: [[5, 5, 9, 9]]})
    boxes = run_video("moving", "default", make_video(machine.root / "c.mp4", 6))
    assert list(boxes) == [1] and boxes[1][0] == [5, 5, 9, 9]


def test_quit_saves_what_there_is_and_is_no_truncation(machine, screen):
    screen.keys[:] = [" ", None, None, "q"]
    run_video(
        "moving",
        "default",
        make_video(machine.root / "c.mp4", 50),
        BOX,
        save_results=True,
        save_video=machine.root / "o.avi",
    )
    assert (
        len(
            (machine.results_path / "moving" / "default" / "video_c_1.txt").read_text().splitlines()
        )
        == 4
    )
    assert len(read_all(machine.root / "o.avi")) == 4


def test_failing_tracker_leaves_the_boxes_up_to_there(machine, headless):
    with pytest.raises(ZeroDivisionError):
        run_video("moving", "failing", make_video(machine.root / "c.mp4"), BOX, save_results=True)
    assert (
        len(
            (machine.results_path / "moving" / "failing" / "video_c_1.txt").read_text().splitlines()
        )
        == 2
    )


def test_masks_are_saved_as_pictures(machine, headless, calls):
    tracker = Tracker("moving", "default")
    original = tracker.get_parameters
    tracker.get_parameters = lambda: original()
    tracker.tracker_class = type(
        "Masks",
        (tracker.tracker_class,),
        {"track": lambda self, image, info: {"target_bbox": BOX, "segmentation": np.eye(60, 80)}},
    )
    tracker.run_video_generic(
        videofilepath=make_video(machine.root / "c.mp4", 3), optional_box=BOX, save_results=True
    )
    assert sorted(os.listdir(tracker.results_dir)) == ["seg_1.jpg", "seg_2.jpg", "video_c_1.txt"]
    assert cv2.imread(f"{tracker.results_dir}/seg_2.jpg").shape == (60, 80, 3)


@pytest.mark.parametrize("same", [True, False])
def test_annotated_video_does_not_replace_its_source(machine, headless, same):
    video = make_video(machine.root / "c.mp4", 2)
    if same:
        with pytest.raises(BadValue, match="is the video to be tracked"):
            run_video("moving", "default", video, BOX, save_video=machine.root / "." / "c.mp4")
    else:
        with pytest.raises(BadInput, match=r"c.mp4 is a file, not a folder"):
            run_video("moving", "default", video, BOX, save_video=Path(video) / "o.mp4")


def test_missing_camera_is_named(machine, headless, monkeypatch):
    with pytest.raises(BadInput, match="camera 99 cannot be opened; connect it"):
        Tracker("moving", "default").run_video_generic(videofilepath=99)


@pytest.mark.parametrize(
    "events, expected",
    [
        (
            [(DOWN, 5, 6), (UP, 5, 6), (MOVE, 20, 30), (DOWN, 25, 36), (UP, 25, 36)],
            [[5, 6, 20, 30]],
        ),
        ([(DOWN, 25, 36), (MOVE, 6, 6), (UP, 5, 6)], [[5, 6, 20, 30]]),
        ([(DOWN, 5, 6), (UP, 5, 6), (DOWN, 7, 7), (UP, 7, 7)], []),
        ([(DOWN, 5, 6), (UP, 5, 6), (RIGHT, 9, 9), (MOVE, 50, 50), (UP, 50, 50)], []),
        ([(MOVE, 5, 6), (UP, 50, 60)], []),
    ],
    ids=[
        "click move click",
        "drag from the lower right corner",
        "slip",
        "given up",
        "nothing pressed",
    ],
)
def test_boxes_drawn_with_the_mouse(events, expected):
    drawing = BoxDrawing()
    for event in events:
        drawing.on_mouse(*event)
    assert drawing.take() == expected and drawing.take() == [] and drawing.box_xywh() is None


def test_window_shows_bgr_and_reads_keys(monkeypatch):
    shown = []
    for name, value in {
        "namedWindow": None,
        "resizeWindow": None,
        "setMouseCallback": None,
        "destroyWindow": None,
        "waitKey": ord("Q"),
        "getWindowProperty": 1.0,
    }.items():
        monkeypatch.setattr(cv2, name, lambda *args, value=value: value)
    monkeypatch.setattr(cv2, "imshow", lambda title, picture: shown.append(picture))
    window = VideoWindow("Display: x")
    window.drawing.on_mouse(DOWN, 50, 50)
    window.drawing.on_mouse(MOVE, 90, 90)
    frame = np.full((120, 160, 3), (250, 0, 0), np.uint8)
    assert window.show(frame, 0, True) == "q"
    assert shown[0][100, 10].tolist() == [0, 0, 250] and shown[0][90, 70].tolist() != [0, 0, 250]
    assert (frame == (250, 0, 0)).all()
    monkeypatch.setattr(cv2, "waitKey", lambda wait: -1)
    assert window.show(frame, 0, False) is None
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *args: 0.0)
    assert window.show(frame, 0, False) == "q"  # closed with the mouse
