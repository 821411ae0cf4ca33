"""Talking with a VOT toolkit: the toolkit's side is played here, over a socket, by the client of
the trax package.
"""

import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile
from pytracking.evaluation import vot, vot2020, vot_run
from pytracking.evaluation.tracker import Tracker
from pytracking.evaluation.vot_sessions import FileSession

SQUARE = vot.Polygon([vot.Point(5, 6), vot.Point(12, 6), vot.Point(12, 14), vot.Point(5, 14)])


class Toolkit:
    """Runs `tracker_side` in a thread; `start` and `frame` send a request and return its (region,
    properties).
    """

    def __init__(self, tracker_side, monkeypatch):
        self.socket = socket.create_server(("127.0.0.1", 0))
        monkeypatch.setenv("TRAX_SOCKET", str(self.socket.getsockname()[1]))
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(tracker_side,), daemon=True)
        self.thread.start()
        from trax.client import Client

        self.client = Client(stream=self.socket.fileno(), timeout=20, log=lambda text: None)

    def _run(self, tracker_side):
        try:
            tracker_side()
        except Exception as error:
            self.error = error

    def _images(self, file):
        from trax.image import FileImage

        return {channel: FileImage.create(str(file)) for channel in self.client.channels}

    def start(self, region, file="0.jpg"):
        from pytracking.evaluation.vot_regions import from_trax, to_trax

        [(answer, properties)], _ = self.client.initialize(
            self._images(file), [(to_trax(region), {})], {}
        )
        return from_trax(answer), properties

    def frame(self, file="1.jpg"):
        from pytracking.evaluation.vot_regions import from_trax

        [(answer, properties)], _ = self.client.frame(self._images(file), {}, [])
        return from_trax(answer), float(properties["confidence"])

    def end(self):
        self.client.quit()
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.error


@pytest.fixture
def toolkit(monkeypatch):
    pytest.importorskip("trax", reason='needs the VOT toolkit: pip install "spot-tracking[vot]"')
    opened = []

    def open_toolkit(tracker_side):
        opened.append(Toolkit(tracker_side, monkeypatch))
        return opened[-1]

    yield open_toolkit
    for one in opened:
        one.socket.close()


@pytest.fixture
def no_trax(monkeypatch):
    monkeypatch.setitem(sys.modules, "trax", None)
    monkeypatch.setitem(sys.modules, "trax.server", None)


MASK = np.zeros((8, 10), np.uint8)
MASK[2:5, 3:9] = 1


@pytest.mark.parametrize(
    "kind, given, seen",
    [
        ("rectangle", vot.Rectangle(5, 6, 7, 8), vot.Rectangle(5, 6, 7, 8)),
        ("rectangle", SQUARE, vot.Rectangle(5, 6, 7, 8)),
        ("rectangle", MASK, vot.Rectangle(3, 2, 6, 3)),
        ("polygon", SQUARE, SQUARE),
        ("mask", MASK, MASK),
    ],
    ids=["rectangle", "polygon as rectangle", "mask as rectangle", "polygon", "mask"],
)
def test_regions_arrive_and_are_reported(toolkit, kind, given, seen):
    got = []

    def tracker():
        with vot2020.VOT(kind) as talk:
            got.extend([talk.region(), talk.frame(), talk.frame()])
            talk.report(talk.region(), 0.25)
            got.append(talk.frame())

    client = toolkit(tracker)
    start, _ = client.start(given)
    answer, confidence = client.frame()
    assert client.client.region_formats == [kind] and client.client.get("vot") == "python"
    assert client.end() is None
    for region in (got[0], start, answer):
        assert type(region) is type(seen)
        np.testing.assert_array_equal(*(np.asarray(one) for one in (region, seen)))
    assert got[1:] == ["0.jpg", "1.jpg", None] and confidence == 0.25


@pytest.mark.parametrize(
    "mask",
    [MASK, np.asfortranarray(MASK), MASK[:, ::-1], MASK > 0, np.zeros_like(MASK)],
    ids=["plain", "fortran", "view", "bool", "absent target"],
)
def test_masks_of_any_memory_layout_are_sent_right(toolkit, mask):
    def tracker():
        with vot2020.VOT("mask") as talk:
            talk.frame(), talk.frame()
            talk.report(mask)
            talk.frame()

    client = toolkit(tracker)
    client.start(MASK)
    np.testing.assert_array_equal(client.frame()[0], mask.astype(np.uint8))
    assert client.end() is None


@pytest.mark.parametrize(
    "channels, names",
    [(None, ["color"]), ("rgbd", ["color", "depth"]), ("rgbt", ["color", "ir"]), ("ir", ["ir"])],
    ids=str,
)
def test_channels(toolkit, channels, names):
    files = []

    def tracker():
        with vot2020.VOT("rectangle", channels) as talk:
            files.append(talk.frame())
            talk.frame()

    client = toolkit(tracker)
    assert client.client.channels == names
    client.start(vot.Rectangle(1, 2, 3, 4))
    assert client.end() is None and files == ["0.jpg" if len(names) == 1 else ["0.jpg"] * 2]


def test_several_targets_in_one_process(toolkit):
    seen = []

    def tracker():
        with vot.VOT("rectangle", several_starts=True) as talk:
            while True:
                seen.append((talk.region().x, talk.frame()))
                while (file := talk.frame()) is not None:
                    talk.report(vot.Rectangle(talk.region().x + 1, 0, 1, 1), 1)
                    seen.append(file)
                if not talk.next_start():
                    return

    client = toolkit(tracker)
    assert (
        client.client.get("vot") is None
    )  # else the toolkit would start a new process for each target
    answers = []
    for x in (10, 20):
        client.start(vot.Rectangle(x, 2, 3, 4), f"{x}.jpg")
        answers.append(client.frame(f"{x + 1}.jpg")[0].x)
    client.start(vot.Rectangle(30, 2, 3, 4), "30.jpg")  # a target without a second frame
    assert client.end() is None
    assert answers == [11, 21] and seen == [
        (10, "10.jpg"),
        "11.jpg",
        (20, "20.jpg"),
        "21.jpg",
        (30, "30.jpg"),
    ]


def test_a_frame_without_report_is_an_error(toolkit):
    def tracker():
        with vot.VOT("rectangle") as talk:
            talk.frame(), talk.frame(), talk.frame()

    client = toolkit(tracker)
    client.start(vot.Rectangle(1, 2, 3, 4))
    with pytest.raises(Exception, match=r"BadInput: VOT: report\(\) was not called"):
        client.frame()
    assert isinstance(client.end(), BadInput)


@pytest.mark.parametrize(
    "make, error, says",
    [
        pytest.param(
            lambda: vot.VOT("mask"), BadValue, "use rectangle or polygon", id="mask before 2020"
        ),
        pytest.param(
            lambda: vot2020.VOT("box"),
            BadValue,
            "use rectangle or polygon or mask",
            id="unknown region",
        ),
        pytest.param(
            lambda: vot2020.VOT("mask", "rgb"),
            BadValue,
            "use None, rgbd, rgbt or ir",
            id="unknown channels",
        ),
    ],
)
def test_unknown_arguments(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_2020_without_trax_names_the_extra(no_trax):
    with pytest.raises(BadInput, match=r"pip install .*\[vot\]"):
        vot2020.VOT("mask")


# ---- without trax: text files


def test_files_are_used_without_trax(no_trax, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.txt").write_text("a.jpg\nb.jpg\nc.jpg\n")
    (tmp_path / "region.txt").write_text("5,6,12,6,12,14,5,14\n")
    talk = vot.VOT("rectangle")
    assert talk.region() == vot.Rectangle(5, 6, 7, 8)
    files = [talk.frame()]
    while (file := talk.frame()) is not None:
        files.append(file)
        talk.report(vot.Rectangle(len(files), 0.5, 3, 4))
    monkeypatch.chdir("/")  # the folder of the start counts
    talk.quit()
    assert files == ["a.jpg", "b.jpg", "c.jpg"]
    assert (tmp_path / "output.txt").read_text() == "5,6,12,6,12,14,5,14\n2,0.5,3,4\n3,0.5,3,4\n"


def test_a_frame_of_the_files_without_report_is_an_error(no_trax, tmp_path):
    (tmp_path / "images.txt").write_text("a.jpg\nb.jpg\nc.jpg\n")
    (tmp_path / "region.txt").write_text("1,2,3,4\n")
    talk = FileSession(tmp_path)
    talk.frame(), talk.frame()
    with pytest.raises(BadInput, match=r"report\(\) was not called"):
        talk.frame()


@pytest.mark.parametrize(
    "images, region, error, says",
    [
        (None, "1,2,3,4", MissingFile, r"no images\.txt in .* - install the TraX"),
        ("a.jpg", None, MissingFile, r"no region\.txt"),
        ("\n", "1,2,3,4", BadValue, "is empty"),
        ("a.jpg", "1,2", BadValue, "give 4 numbers"),
    ],
    ids=["no images", "no region", "no image", "no region in the file"],
)
def test_unusable_files(tmp_path, images, region, error, says):
    for name, text in (("images.txt", images), ("region.txt", region)):
        if text is not None:
            (tmp_path / name).write_text(text)
    with pytest.raises(error, match=says):
        FileSession(tmp_path)


def test_a_failed_run_writes_no_output(no_trax, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.txt").write_text("a.jpg\n")
    (tmp_path / "region.txt").write_text("1,2,3,4\n")
    with pytest.raises(ZeroDivisionError), vot.VOT("rectangle") as talk:
        talk.frame()
        raise ZeroDivisionError
    assert not (tmp_path / "output.txt").exists()


# ---- a tracker under the toolkit


@pytest.fixture
def moving(machine):
    """The toy tracker of conftest, which moves the box by 1.6 px per frame, and what was called on
    it.
    """
    tracker = Tracker("moving", "default", 3)
    calls = sys.modules["pytracking.tracker.moving.moving"].CALLS
    calls.clear()
    cv2.imwrite(str(machine.root / "frame.png"), np.full((20, 30, 3), (10, 20, 200), np.uint8))
    return tracker, calls, machine.root / "frame.png"


def test_run_vot2020_call_order(toolkit, moving):
    tracker, calls, image = moving
    client = toolkit(lambda: vot_run.run_vot2020(tracker, debug=2))
    answers = []
    for x in (5, 15):
        client.start(vot.Rectangle(x, 6, 7, 8), image)
        answers.extend(client.frame(image) for _ in range(2))
    assert client.end() is None
    assert [(pytest.approx(box.x, abs=1e-4), confidence) for box, confidence in answers] == [
        (6.6, 1),
        (8.2, 1),
        (16.6, 1),
        (18.2, 1),
    ]
    assert [name for name, *_ in calls] == ["create", "initialize", "track", "track"] * 2
    params = calls[0][1]
    assert (params.debug, params.tracker_name, params.param_name, params.run_id) == (
        2,
        "moving",
        "default",
        3,
    )
    _, start_image, start = calls[1]
    assert start_image.dtype == np.uint8 and start_image[0, 0].tolist() == [200, 20, 10]  # RGB
    assert start == {"init_mask": None, "init_bbox": [5, 6, 7, 8]}
    assert calls[2][2] == {"previous_output": OrderedDict()}
    assert list(calls[3][2]["previous_output"]) == ["target_bbox"]


def test_run_vot_turns_polygons_into_boxes(toolkit, moving, monkeypatch):
    tracker, calls, image = moving
    client = toolkit(lambda: vot_run.run_vot(tracker))
    client.start(SQUARE, image)
    answer, confidence = client.frame(image)
    assert client.end() is None
    assert calls[1][2] == {"init_bbox": [5, 6, 7, 8]} and calls[2][2] is None
    assert confidence == 1 and answer == pytest.approx(vot.Rectangle(6.6, 6, 7, 8), abs=1e-4)


def test_conversion_type_of_the_parameters(toolkit, moving, monkeypatch):
    tracker, calls, image = moving
    params = tracker.get_parameters()
    params.vot_anno_conversion_type = "preserve_area"
    monkeypatch.setattr(tracker, "get_parameters", lambda: params)
    client = toolkit(lambda: vot_run.run_vot(tracker))
    client.start(SQUARE, image)
    assert client.end() is None and calls[1][2] == {"init_bbox": [4.5, 5.5, 8, 9]}


@pytest.mark.parametrize(
    "box, score, expected",
    [
        pytest.param(None, 0.9, (vot.Rectangle(0, 0, 0, 0), 0.0), id="no box"),
        pytest.param([float("nan")] * 4, 0.9, (vot.Rectangle(0, 0, 0, 0), 0.0), id="NaN box"),
        pytest.param(
            [1, 2, 3, 4], 0.25, (vot.Rectangle(1, 2, 3, 4), 0.25), id="the tracker's own score"
        ),
    ],
)
def test_absent_targets_and_confidence(toolkit, moving, monkeypatch, box, score, expected):
    tracker, _, image = moving
    params = tracker.get_parameters()
    params.extra = lambda frame: {"target_bbox": box, "object_presence_score": score}
    monkeypatch.setattr(tracker, "get_parameters", lambda: params)
    client = toolkit(lambda: vot_run.run_vot2020(tracker))
    client.start(vot.Rectangle(5, 6, 7, 8), image)
    assert client.frame(image) == expected and client.end() is None


def test_masks_are_exchanged_with_a_tracker_that_predicts_them(toolkit, moving, monkeypatch):
    tracker, calls, image = moving
    params = tracker.get_parameters()
    params.extra = lambda frame: {"segmentation": np.eye(20, 30) > 0}
    monkeypatch.setattr(tracker, "get_parameters", lambda: params)
    monkeypatch.setattr(tracker.tracker_class, "predicts_segmentation_mask", lambda self: True)
    client = toolkit(lambda: vot_run.run_vot2020(tracker))
    client.start(MASK, image)
    answer, _ = client.frame(image)
    assert client.end() is None
    np.testing.assert_array_equal(answer, np.eye(20, 30, dtype=np.uint8))
    start = calls[1][2]
    assert start["init_bbox"] == [3, 2, 6, 3]
    np.testing.assert_array_equal(start["init_mask"], vot2020.make_full_size(MASK, (30, 20)))


@pytest.mark.parametrize(
    "start, says",
    [
        (vot.Rectangle(1, 2, 0, 4), "BadInput|region to start from is empty"),
        (vot.Rectangle(1, 2, 3, 4), "ZeroDivisionError: toy failure"),
    ],
    ids=["empty start region", "failing tracker"],
)
def test_the_toolkit_is_told_what_went_wrong(toolkit, moving, start, says):
    tracker, _, image = moving
    tracker.parameter_name = "failing"
    client = toolkit(lambda: vot_run.run_vot2020(tracker))
    with pytest.raises(Exception, match=says):
        client.start(start, image), client.frame(image), client.frame(image)
    assert type(client.end()).__name__ in says


@pytest.mark.parametrize("run", [vot_run.run_vot, vot_run.run_vot2020], ids=["vot", "vot2020"])
def test_the_toolkit_is_told_why_a_tracker_cannot_start(toolkit, machine, run):
    client = toolkit(lambda: run(Tracker("moving", "defualt")))
    with pytest.raises(Exception, match="did you mean 'default'"):
        client.start(vot.Rectangle(1, 2, 3, 4))
    assert isinstance(client.end(), MissingFile)


def test_started_from_a_terminal_it_says_who_starts_it(machine):
    pytest.importorskip("trax", reason='needs the VOT toolkit: pip install "spot-tracking[vot]"')
    ours, terminal = os.openpty()
    command = [
        sys.executable,
        "-c",
        "import pytracking.run_vot as run_vot; run_vot.run_vot('moving', 'default')",
    ]
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60)
    os.close(ours), os.close(terminal)
    assert (
        done.returncode == 1
        and "started by the VOT toolkit" in done.stderr
        and "@@TRAX" not in done.stdout
    )
