"""The annotation page's server: what it wants labelled, its HTTP interface, and that nothing drawn
is ever lost.
"""

import json
import os
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

pytest.importorskip(
    "starlette", reason='the page needs starlette: pip install "spot-tracking[annotate]"'
)
testclient = pytest.importorskip(
    "starlette.testclient", reason="the test client needs httpx2", exc_type=RuntimeError
)
from spot_ext.annotate.access import refusal  # noqa: E402
from spot_ext.annotate.app import create_app  # noqa: E402
from spot_ext.annotate.session import Session  # noqa: E402

TOKEN, FRAMES = "t0ken", 30
HERE = "http://127.0.0.1:8765"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two folders of images and a video of a moving square; names with a space and an umlaut."""
    root = tmp_path / "clips"
    for name in ("a b", "für"):
        (root / name).mkdir(parents=True)
        for frame in range(FRAMES):
            cv2.imwrite(
                str(root / name / f"{frame}.{'jpg' if name == 'a b' else 'bmp'}"), picture(frame)
            )
    return root


def picture(frame: int) -> np.ndarray:
    image = np.full((60, 80, 3), 90, np.uint8)
    image[20:40, 10 + frame : 30 + frame] = (40, 180, 240)
    return image


@pytest.fixture
def client(folder):
    return testclient.TestClient(
        create_app(Session(folder), TOKEN),
        base_url=f"{HERE}/{TOKEN}/",
        raise_server_exceptions=False,
    )


def edit(client, *edits):
    return client.post("api/edits", json={"edits": list(edits)})


def drawn(folder) -> dict:
    return {
        (video.video, item.object_id): dict(
            zip(item.frame_ids.tolist(), item.boxes_xywh.tolist(), strict=True)
        )
        for video in formats.read(folder / "boxes.csv")
        for item in video.objects
    }


def test_the_same_frames_are_wanted_as_sample_draws(folder, client):
    from ltr.dataset.video_folder import VideoFolder
    from spot_ext.boxes import key_frames

    (folder / "dense.txt").write_text("")  # no video: passed over
    chosen = key_frames.choose(VideoFolder(folder), 3, 0).videos
    for video in client.get("api/state").json()["videos"]:
        assert [item["frame"] for item in video["wanted"]] == list(
            chosen[video["name"]].tracks[0].frame_ids.tolist()
        )


def test_no_frame_without_the_target_is_wanted_where_that_is_known(folder):
    lines = ["nan,nan,nan,nan" if i in (3, 4) else "1,2,3,4" for i in range(FRAMES)]
    (folder / "a b" / "groundtruth.txt").write_text("\n".join(lines) + "\n")
    assert len(Session(folder).video("a b").wanted) == 3  # labelled in part: from all frames
    seen = ["1,2,3,4" if 12 <= i < 20 else "0,0,0,0" for i in range(FRAMES)]
    (folder / "a b" / "groundtruth.txt").write_text("\n".join(seen) + "\n")
    assert all(12 <= item.frame_id < 20 for item in Session(folder).video("a b").wanted)


SUGGESTED = {
    "csv": ("s.csv", "video,frame,score\na b,7,0.9\na b,8,\n"),
    "list": (
        "s.json",
        json.dumps([{"video": "a b", "frame": 7, "score": 0.9}, {"video": "a b", "frame": 8}]),
    ),
    "in an object": (
        "s.json",
        json.dumps(
            {
                "seed": 1,
                "suggestions": [
                    {"video": "a b", "frame": 7, "score": 0.9},
                    {"video": "a b", "frame": 8},
                ],
            }
        ),
    ),
}


def suggested(video) -> list:
    """The frames of a video that a file asked for."""
    return [item for item in video.wanted if item.frame_id in video.suggested]


@pytest.mark.parametrize(("name", "text"), SUGGESTED.values(), ids=SUGGESTED)
def test_suggested_frames_come_on_top(folder, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    video = Session(folder, suggested=[tmp_path / name]).video("a b")
    assert [(item.frame_id, item.score) for item in suggested(video)] == [(7, 0.9), (8, None)]
    assert len(video.wanted) >= 4


REVIEWED = {
    "label": ("video,object,frame,score,reason", (15, 16, 17, 28, 2, 20), [2, 15, 20, 28]),
    "label of an earlier version": (
        "video,object,frame,confidence,reason",
        (15, 16, 17, 28, 2, 20),
        [2, 15, 28],
    ),
}


@pytest.mark.parametrize(("header", "frames", "wanted"), REVIEWED.values(), ids=REVIEWED)
def test_of_doubtful_frames_of_a_stretch_one_is_wanted(folder, tmp_path, header, frames, wanted):
    rows = [f"a b,1,{frame},0.3,lost" for frame in frames]
    (tmp_path / "review.csv").write_text("\n".join([header, *rows]) + "\n")
    video = Session(folder, suggested=[tmp_path / "review.csv"]).video("a b")
    assert [(item.frame_id, item.reason) for item in suggested(video)] == [
        (frame, "lost") for frame in wanted
    ]
    expected = 0.7 if "confidence" in header else 0.3
    assert suggested(video)[0].score == pytest.approx(expected)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("object", "1", "far"),
        ("object", "2", "object 2: far"),
        ("object", "", "far"),
        ("path", "0", "far"),  # earlier versions count objects from 0
        ("path", "1", "object 2: far"),
        ("path", "", "far"),
    ],
)
def test_a_reason_names_the_later_objects_of_a_video(folder, tmp_path, column, value, reason):
    (tmp_path / "suggestions.csv").write_text(
        f"video,frame,{column},score,reason\na b,7,{value},0.9,far\n"
    )
    session = Session(folder, suggested=[tmp_path / "suggestions.csv"])
    wanted = session.progress("a b")["wanted"]
    assert [item["reason"] for item in wanted if item["suggested"]] == [reason]


def test_a_file_of_sample_replaces_the_choice(folder, tmp_path):
    from spot_ext.boxes.formats import label_file
    from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track

    labels = LabelSet(
        "folder",
        "train",
        "key_frames",
        2,
        5,
        {"für": VideoLabels("für", (labelled_track((1, 29)),))},
    )
    session = Session(folder, suggested=[label_file.write(labels, tmp_path)])
    assert [item.frame_id for item in session.video("für").wanted] == [1, 29]


@pytest.mark.parametrize(
    ("text", "says"),
    {
        "unknown video": (
            "video,frame\na c,7\n",
            "line 2: there is no video 'a c', did you mean 'a b'",
        ),
        "no such frame": ("video,frame\na b,30\n", "frames 0 to 29, not 30"),
        "no number": ("video,frame\na b,x\n", "frame 'x'"),
        "other columns": ("clip,number\na b,7\n", "the columns are video, frame"),
    }.values(),
    ids=str,
)
def test_a_wrong_suggestion_is_refused_with_its_line(folder, tmp_path, text, says):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(BadValue, match=says):
        Session(folder, suggested=[tmp_path / "s.csv"])


@pytest.mark.parametrize(
    ("path", "headers"),
    {
        "no token": ("/", {}),
        "wrong token": ("/t0kem/", {}),
        "token and more": ("/t0kenx/api/state", {}),
        "api without token": ("/api/state", {}),
        "token elsewhere": (f"/x/{TOKEN}/api/state", {}),
        "rebound name": (f"/{TOKEN}/api/state", {"host": "evil.example:8765"}),
        "no host": (f"/{TOKEN}/", {"host": ""}),
        "another page": (f"/{TOKEN}/api/state", {"origin": "http://evil.example"}),
        "another port of this machine": (
            f"/{TOKEN}/api/state",
            {"origin": "http://127.0.0.1:3000"},
        ),
        "sandboxed page": (f"/{TOKEN}/api/state", {"origin": "null"}),
    }.values(),
    ids=str,
)
def test_strangers_get_403(client, path, headers):
    answer = client.get(f"{HERE}{path}", headers=headers)
    assert answer.status_code == 403 and "open the address" in answer.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "127.0.0.1"])
def test_this_machine_is_let_in(host):
    assert refusal(f"/{TOKEN}/", host, None, TOKEN) is None
    assert refusal(f"/{TOKEN}/", host, f"http://{host}", TOKEN) is None
    assert refusal(f"/{TOKEN}/", "127.0.0.1.evil.example", None, TOKEN) is not None


def test_the_page_loads_nothing_from_elsewhere(client):
    page = client.get("")
    assert (
        "default-src 'none'" in page.headers["content-security-policy"]
        and page.headers["referrer-policy"] == "no-referrer"
    )
    folder = Path(sys.modules[create_app.__module__].__file__).parent / "page"
    for file in folder.iterdir():
        answer = client.get("" if file.name == "index.html" else f"page/{file.name}")
        assert answer.status_code == 200 and "octet" not in answer.headers["content-type"]
        assert set(re.findall(r"(?:https?:)?//[\w-]+\.[\w.]+", answer.text)) <= {
            "http://www.w3.org"
        }  # the name of SVG
    assert client.get("page/..%2Fapp.py").status_code == 404


def test_every_change_is_in_the_file_when_it_is_answered(folder, client):
    steps = [
        ({"frame": 4, "box": [1, 2, 30.5, 20]}, {4: [1, 2, 30.5, 20]}),
        ({"frame": 9, "absent": True}, {4: [1, 2, 30.5, 20], 9: None}),
        ({"frame": 4, "box": [5, 6, 7, 8], "label": "car"}, {4: [5, 6, 7, 8], 9: None}),
        ({"frame": 9, "remove": True}, {4: [5, 6, 7, 8]}),
        ({"label": "bus, red"}, {4: [5, 6, 7, 8]}),
        ({"remove": True}, None),
    ]
    for change, expected in steps:
        answer = edit(client, {"video": "für", "object": "1", **change})
        assert answer.status_code == 200 and answer.json()["saved"]
        found = drawn(folder).get(("für", "1"))
        if found is not None:
            found = {frame: None if np.isnan(box[0]) else box for frame, box in found.items()}
        assert found == expected
        shown = client.get("api/video", params={"video": "für"}).json()["objects"]
        assert (shown[0]["drawn"] if shown else None) == (
            expected and {str(k): v for k, v in expected.items()}
        )
    assert not formats.read(folder / "boxes.csv")


@pytest.mark.parametrize(
    ("change", "says"),
    {
        "no list": (None, 'send {"edits"'),
        "no object": ({"video": "für"}, "names of a video and an object"),
        "unknown video": (
            {"video": "fur", "object": "1", "frame": 1, "absent": True},
            "did you mean 'für'",
        ),
        "frame beyond": (
            {"video": "für", "object": "1", "frame": 30, "absent": True},
            "frames 0 to 29",
        ),
        "frame as text": (
            {"video": "für", "object": "1", "frame": "3", "absent": True},
            "frames 0 to 29",
        ),
        "two at once": (
            {"video": "für", "object": "1", "frame": 3, "absent": True, "box": [1, 2, 3, 4]},
            "exactly one",
        ),
        "nothing": ({"video": "für", "object": "1", "frame": 3}, "exactly one"),
        "no area": ({"video": "für", "object": "1", "frame": 3, "box": [1, 2, 0, 4]}, "above 0"),
        "three numbers": (
            {"video": "für", "object": "1", "frame": 3, "box": [1, 2, 3]},
            "four numbers",
        ),
        "line break": (
            {"video": "für", "object": "1", "frame": 3, "absent": True, "label": "a\nb"},
            "cannot be shown",
        ),
    }.values(),
    ids=str,
)
def test_a_wrong_change_is_refused_and_none_of_its_request_is_made(folder, client, change, says):
    good = {"video": "a b", "object": "1", "frame": 1, "box": [1, 2, 3, 4]}
    answer = edit(client, good, change) if change else client.post("api/edits", json={})
    assert answer.status_code == 400 and says in answer.json()["error"]
    assert not (folder / "boxes.csv").exists()


@pytest.mark.parametrize(
    ("request_", "status"),
    {
        "not JSON": ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        "a form, as other pages may send": ({"data": {"edits": "[]"}}, 400),
    }.values(),
    ids=str,
)
def test_other_bodies_are_refused(client, request_, status):
    assert client.post("api/edits", **request_).status_code == status


@pytest.mark.parametrize(
    ("address", "status"),
    {
        "api/frame?video=a+b&frame=30": 404,
        "api/frame?video=a+b&frame=-1": 400,
        "api/frame?video=c&frame=1": 400,
        "api/frame?video=a+b": 400,
        "api/video": 400,
        "api/none": 404,
    }.items(),
)
def test_wrong_addresses_are_answered_with_a_sentence(client, address, status):
    answer = client.get(address)
    assert answer.status_code == status and len(answer.json()["error"]) > 10


def test_frames_are_shown(folder, client):
    jpeg = client.get("api/frame", params={"video": "a b", "frame": 3})
    assert jpeg.content == (folder / "a b" / "3.jpg").read_bytes()  # as it is
    other = client.get("api/frame", params={"video": "für", "frame": 12})
    image = cv2.imdecode(np.frombuffer(other.content, np.uint8), cv2.IMREAD_COLOR)
    assert (
        other.headers["content-type"] == "image/jpeg"
        and np.abs(image.astype(int) - picture(12)).mean() < 3
    )
    (folder / "a b" / "3.jpg").write_bytes(jpeg.content[:300])
    assert "3.jpg" in client.get("api/frame", params={"video": "a b", "frame": 3}).json()["error"]


def test_frames_of_a_video_file_are_shown_and_a_broken_one_is_named(folder):
    av = pytest.importorskip("av", reason="reading video files needs PyAV")
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 80, 60, 4_000_000
        for frame in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(frame), "bgr24")))
        container.mux(stream.encode())
    (folder / "broken.mp4").write_bytes(b"no video")
    session = Session(folder)
    for frame in (17, 16, 2, 29):
        data, _ = session.image("clip", frame)
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(shown.astype(int) - picture(frame)).mean() < 6
    assert (
        "broken.mp4" in session.progress("broken")["problem"]
        and "broken" not in session.frame_counts
    )


def test_progress_counts_frames_in_which_every_object_is_settled(client):
    def states():
        return [
            item["state"]
            for item in client.get("api/video", params={"video": "a b"}).json()["wanted"]
        ]

    first, second, _ = (
        item["frame"] for item in client.get("api/state").json()["videos"][0]["wanted"]
    )
    edit(client, {"video": "a b", "object": "1", "frame": first, "box": [1, 2, 3, 4]})
    assert states() == ["done", "open", "open"]
    answer = edit(client, {"video": "a b", "object": "2", "frame": second, "box": [1, 2, 3, 4]})
    assert states() == ["part", "part", "open"] and answer.json()["videos"][0]["done"] == 0
    edit(client, {"video": "a b", "object": "2", "frame": first, "absent": True})
    assert states() == ["done", "part", "open"]


@pytest.fixture
def propagated(tmp_path) -> Path:
    boxes = np.array([[1, 1, 9, 9], [2, 2, 9, 9], [np.nan] * 4])
    item = ObjectTrack(
        "1", np.arange(3), boxes, np.array([1.0, 0.6, 0.1]), np.array([True, False, False]), "car"
    )
    formats.write([VideoBoxes("a b", (item,))], tmp_path / "dense.csv", "csv")
    return tmp_path / "dense.csv"


@pytest.mark.parametrize("as_boxes", [False, True], ids=["--propagated", "--boxes"])
def test_a_corrected_proposal_becomes_a_persons_box(folder, propagated, as_boxes):
    session = Session(folder, **({"boxes": propagated} if as_boxes else {"propagated": propagated}))
    client = testclient.TestClient(create_app(session, TOKEN), base_url=f"{HERE}/{TOKEN}/")
    edit(client, {"video": "a b", "object": "1", "frame": 1, "box": [3, 3, 9, 9]})
    item = client.get("api/video", params={"video": "a b"}).json()["objects"][0]
    assert item["drawn"] == (
        {"0": [1, 1, 9, 9], "1": [3, 3, 9, 9]} if as_boxes else {"1": [3, 3, 9, 9]}
    )
    assert (
        item["proposed"]["frames"] == ([2] if as_boxes else [0, 2])
        and item["proposed"]["boxes"][-1] is None
    )
    saved = formats.read(session.boxes.path)[0].objects[0]
    assert saved.human.tolist() == ([True, True, False] if as_boxes else [True])


def test_boxes_that_another_program_wrote_meanwhile_are_kept(folder, client):
    edit(client, {"video": "a b", "object": "1", "frame": 1, "box": [1, 2, 3, 4]})
    other = [
        *formats.read(folder / "boxes.csv"),
        VideoBoxes("für", (ObjectTrack.drawn("7", [3], [[5, 5, 5, 5]]),)),
    ]
    formats.write(other, folder / "boxes.csv", "csv")
    edit(client, {"video": "a b", "object": "1", "frame": 2, "box": [1, 2, 3, 4]})
    assert (
        set(drawn(folder)) == {("a b", "1"), ("für", "7")} and len(drawn(folder)["a b", "1"]) == 2
    )
    (folder / "boxes.csv").write_text("frame;x\n1;2\n")
    answer = edit(client, {"video": "a b", "object": "1", "frame": 3, "box": [1, 2, 3, 4]})
    assert (
        answer.status_code == 409 and "boxes.csv" in answer.json()["error"]
    )  # the page keeps it and tries again
    (folder / "boxes.csv").unlink()
    edit(client, {"video": "a b", "object": "1", "frame": 3, "box": [1, 2, 3, 4]})
    assert set(drawn(folder)["a b", "1"]) == {1, 2, 3}


def test_a_full_disk_is_said_and_changes_nothing(folder, client, monkeypatch):
    edit(client, {"video": "a b", "object": "1", "frame": 1, "box": [1, 2, 3, 4]})
    before = (folder / "boxes.csv").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(
            os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        answer = edit(client, {"video": "a b", "object": "1", "frame": 2, "box": [1, 2, 3, 4]})
    assert answer.status_code == 507 and "boxes.csv is full; make room" in answer.json()["error"]
    assert (folder / "boxes.csv").read_bytes() == before
    assert list(client.get("api/video", params={"video": "a b"}).json()["objects"][0]["drawn"]) == [
        "1"
    ]


def test_a_box_file_of_another_kind_is_refused(folder, tmp_path):
    with pytest.raises(BadInput, match=r"ends in \.csv"):
        Session(folder, boxes=tmp_path / "boxes.json")
