"""The page's server against hostile folders and requests: its address note, limits, many boxes."""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput
from spot_ext.boxes import formats

pytest.importorskip(
    "starlette", reason='the page needs starlette: pip install "spot-tracking[annotate]"'
)
testclient = pytest.importorskip(
    "starlette.testclient", reason="the test client needs httpx2", exc_type=RuntimeError
)
from spot_ext.annotate import box_file  # noqa: E402
from spot_ext.annotate.access import new_token  # noqa: E402
from spot_ext.annotate.address import Address  # noqa: E402
from spot_ext.annotate.app import create_app  # noqa: E402
from spot_ext.annotate.session import Session  # noqa: E402

FRAMES = 12
SAVES, KILLS = 1000, 20
TOKEN = "t0ken"
ANSWERS = "spot_ext.annotate.address.answers"
GOOD = {"video": "walk", "object": "dog", "frame": 1, "box": [1, 2, 30, 40]}


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    (folder / "walk").mkdir(parents=True)
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"walk/{number:02d}.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


def client_of(session):
    return testclient.TestClient(
        create_app(session, TOKEN),
        base_url=f"http://127.0.0.1:8765/{TOKEN}/",
        raise_server_exceptions=False,
    )


KNOWN_TOKEN = new_token()
NOTES = {
    "a token that somebody knows": {"port": 50000, "token": "known"},
    "no token": {"port": 50000, "token": ""},
    "a path in the token": {"port": 50000, "token": "admin/shutdown?x="},
    "a port that is none": {"port": 70000, "token": KNOWN_TOKEN},
    "a port in words": {"port": "50000", "token": KNOWN_TOKEN},
    "a true port": {"port": True, "token": KNOWN_TOKEN},
    "a number": 7,
    "a list": [],
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_of_another_form_is_no_address(name, tmp_path, monkeypatch):
    monkeypatch.setattr(ANSWERS, lambda *_: pytest.fail("a foreign port was asked"))
    note = tmp_path / ".few.csv.page"
    note.write_text(json.dumps(NOTES[name]))
    note.chmod(0o600)
    address = Address(tmp_path / "few.csv", 0)
    address.close()
    assert address.token not in ("", "known", KNOWN_TOKEN) and len(address.token) == 32


@pytest.mark.parametrize("kind", ["for all to read", "another user's", "a link", "a pipe"])
def test_a_note_that_others_may_have_written_is_no_address(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(ANSWERS, lambda *_: pytest.fail("a foreign port was asked"))
    note = tmp_path / ".few.csv.page"
    elsewhere = tmp_path / "elsewhere"
    text = json.dumps({"port": 50000, "token": KNOWN_TOKEN})
    elsewhere.write_text(text)
    elsewhere.chmod(0o644 if kind == "for all to read" else 0o600)
    before = elsewhere.read_text()
    if kind == "a link":
        note.symlink_to(elsewhere)
    elif kind == "a pipe":
        os.mkfifo(note, 0o600)
    else:
        elsewhere.rename(note)
    if kind == "another user's":
        monkeypatch.setattr(os, "getuid", lambda: note.stat().st_uid + 1)
    address = Address(tmp_path / "few.csv", 0)
    try:
        assert address.token != KNOWN_TOKEN
        assert not note.is_symlink() and note.stat().st_mode & 0o777 == 0o600
        assert json.loads(note.read_text()) == {"port": address.port, "token": address.token}
        assert kind != "a link" or elsewhere.read_text() == before
    finally:
        address.close()


def test_an_own_note_gives_the_same_address_again(tmp_path):
    first = Address(tmp_path / "few.csv", 0)
    first.socket.close()
    second = Address(tmp_path / "few.csv")
    assert second.url == first.url
    second.close()


def test_a_second_server_is_noticed_by_either_name_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ANSWERS, lambda *_, **__: True)
    (tmp_path / "few.csv").touch()
    (tmp_path / "link.csv").symlink_to("few.csv")
    address = Address(tmp_path / "link.csv", 0)
    try:
        with pytest.raises(BadInput, match="is open already at http"):
            Address(tmp_path / "few.csv", 0)
    finally:
        address.close()


REFUSED = {
    "a digit that is no number": {"object": "²"},
    "a number of 5000 digits": {"object": "9" * 5000},
    "a long name": {"object": "dog " * 100},
    "a label of 200,000 letters": {"label": "x" * 200_000},
    "a label with a line break": {"label": "a\nb"},
    "a label that is no text": {"label": 7},
    "a number of 401 digits": {"box": [1, 2, 3, 10**400]},
    "a box of 1e9 pixels": {"box": [1, 2, 3, 1e9]},
    "a box far outside": {"box": [-1e9, 2, 3, 4]},
    "truth as a number": {"box": [1, 2, 3, True]},
    "a frame of 401 digits": {"frame": 10**400},
    "a frame below 0": {"frame": -1},
    "half a frame": {"frame": 1.5},
    "a video of a megabyte": {"video": "v" * 1_000_000},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_kept_or_shown_is_refused_when_sent(name, videos):
    client = client_of(Session(videos))
    assert client.post("api/edits", json={"edits": [GOOD]}).status_code == 200
    before = (videos / "boxes.csv").read_bytes()
    started = time.perf_counter()
    answer = client.post("api/edits", json={"edits": [{**GOOD, **REFUSED[name]}]})
    assert answer.status_code == 400 and 20 < len(answer.json()["error"]) < 400
    assert time.perf_counter() - started < 1
    assert (videos / "boxes.csv").read_bytes() == before
    assert client.get("api/video?video=walk").status_code == 200


@pytest.mark.parametrize("text", ["9" * 6000, "²", "٣", "+1", "1e3", ""])
def test_an_odd_frame_number_in_an_address_is_refused(text, videos):
    answer = client_of(Session(videos)).get("api/frame", params={"video": "walk", "frame": text})
    assert answer.status_code == 400 and "give a whole number" in answer.json()["error"]


@pytest.mark.parametrize("name", ["²", "9" * 5000, "٣", "007", "犬"])
def test_odd_names_in_a_box_file_are_shown(name, videos):
    (videos / "boxes.csv").write_text(f"video,object,frame,x,y,w,h\nwalk,{name},1,1,2,3,4\n")
    client = client_of(Session(videos))
    assert client.post("api/edits", json={"edits": [GOOD]}).status_code == 200
    objects = client.get("api/video?video=walk").json()["objects"]
    assert {item["id"] for item in objects} == {name, "dog"}
    client_of(Session(videos))


def test_ids_that_are_numbers_are_shown_by_value():
    names = ["10", "b", "9", "010", "a", "100", "0"]
    assert box_file.object_ids(names) == ["0", "9", "010", "10", "100", "a", "b"]


def test_the_time_of_a_request_grows_with_its_boxes(tmp_path):
    """20,000 boxes of one object took minutes when each copied the boxes before it."""
    boxes = box_file.BoxFile(tmp_path / "boxes.csv", {"walk": 100_000})
    edits = [box_file.Edit("walk", "1", frame, (1.0, 2.0, 3.0, 4.0)) for frame in range(20_000)]
    started = time.perf_counter()
    boxes.apply(edits)
    assert time.perf_counter() - started < 1
    assert boxes.count() == 20_000


def test_other_requests_do_not_wait_for_a_change_that_is_written(videos, monkeypatch):
    session = Session(videos)
    client = client_of(session)
    assert client.post("api/edits", json={"edits": [GOOD]}).status_code == 200
    is_writing, may_end = threading.Event(), threading.Event()
    write = box_file.formats.write

    def slow_write(*arguments):
        is_writing.set()
        assert may_end.wait(60)
        return write(*arguments)

    monkeypatch.setattr(box_file.formats, "write", slow_write)
    saved: list[int] = []
    body = {"edits": [{**GOOD, "frame": 2}]}
    thread = threading.Thread(
        target=lambda: saved.append(client.post("api/edits", json=body).status_code)
    )
    thread.start()
    try:
        assert is_writing.wait(60)
        for address in ("api/state", "api/video?video=walk", "api/ping"):
            assert client.get(address).status_code == 200
        assert list(session.boxes.tracks("walk")["dog"].rows) == [1]
    finally:
        may_end.set()
        thread.join()
    assert saved == [200] and sorted(session.boxes.tracks("walk")["dog"].rows) == [1, 2]


def test_a_change_that_cannot_be_written_leaves_the_boxes_as_they_were(videos, monkeypatch):
    session = Session(videos)
    client = client_of(session)
    client.post("api/edits", json={"edits": [GOOD]})
    (videos / "boxes.csv").chmod(0o444)
    edits = [{**GOOD, "frame": 2}, {"video": "walk", "object": "dog", "remove": True}]
    answer = client.post("api/edits", json={"edits": edits})
    assert answer.status_code == 507 and "is read-only and was kept" in answer.json()["error"]
    assert list(session.boxes.tracks("walk")["dog"].rows) == [1]


def test_an_object_that_is_removed_and_drawn_again_in_one_request(videos):
    session = Session(videos)
    session.save(session.parsed([GOOD, {**GOOD, "frame": 2}]))
    before = session.boxes.tracks("walk")
    remove = {"video": "walk", "object": "dog", "remove": True}
    session.save(session.parsed([remove, {**GOOD, "frame": 5}]))
    assert list(session.boxes.tracks("walk")["dog"].rows) == [5]
    assert sorted(before["dog"].rows) == [1, 2]


SERVER = (
    "import sys; from pathlib import Path; from spot_ext.annotate.session import Session; "
    "from spot_ext.annotate.serving import serve; "
    "serve(Session(Path(sys.argv[1])), 0 if len(sys.argv) > 2 else None, False, lambda url: "
    "print(url, flush=True))"
)


def start(folder, *arguments) -> tuple[subprocess.Popen, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), *arguments], stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def save(url: str, object_id: str, frame: int) -> int:
    """Send one box, whose x is its frame; return the status of the answer."""
    edit = {"video": "walk", "object": object_id, "frame": frame, "box": [frame, 1, 5, 5]}
    request = urllib.request.Request(
        f"{url}api/edits",
        json.dumps({"edits": [edit]}).encode(),
        {"Content-Type": "application/json"},
    )
    return urllib.request.urlopen(request, timeout=60).status


@pytest.mark.slow
def test_a_thousand_acknowledged_saves_outlive_twenty_kills(videos):
    """The server is ended by SIGKILL at random moments, also while a save is under way."""
    draw = random.Random(20)
    todo = [(str(number // FRAMES), number % FRAMES) for number in range(SAVES)]
    acknowledged: set[tuple[str, int]] = set()
    kills = 0
    while len(acknowledged) < SAVES or kills < KILLS:
        process, url = start(videos)
        killer = threading.Timer(draw.uniform(0.05, 1.5), process.kill)
        killer.start()
        try:
            for object_id, frame in [*todo[len(acknowledged) :], *todo]:
                if save(url, object_id, frame) == 200:
                    acknowledged.add((object_id, frame))
        except (OSError, http.client.HTTPException):
            kills += 1
        finally:
            killer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
    [video] = formats.read(videos / "boxes.csv")
    kept = {
        (track.object_id, row.frame_id)
        for track in video.objects
        for row in track.rows()
        if row.box_xywh[0] == row.frame_id
    }
    assert kills >= KILLS and acknowledged <= kept


def test_a_killed_server_loses_nothing_and_comes_back_at_the_same_address(videos):
    process, url = start(videos, "any port")
    try:
        for frame in range(FRAMES):
            assert save(url, "1", frame) == 200
        with pytest.raises(BadInput, match="open already at http"):
            Address(videos / "boxes.csv")
    finally:
        process.kill()
        process.wait()
    [video] = formats.read(videos / "boxes.csv")
    assert video.objects[0].frame_ids.tolist() == list(range(FRAMES))
    note = videos / ".boxes.csv.page"
    assert note.stat().st_mode & 0o77 == 0  # it holds the token
    address = Address(videos / "boxes.csv")
    assert address.url == url
    address.close()
    assert not note.exists()


def test_ctrl_c_ends_the_server_in_order(videos):
    process, url = start(videos, "any port")
    urllib.request.urlopen(f"{url}api/state", timeout=60).read()
    process.send_signal(2)
    assert process.wait(timeout=120) == 0 and not (videos / ".boxes.csv.page").exists()


def test_a_second_server_takes_another_port(tmp_path):
    first, second = Address(tmp_path / "a.csv"), Address(tmp_path / "b.csv")
    assert first.port != second.port and first.token != second.token
    with pytest.raises(BadInput, match="another program uses it"):
        Address(tmp_path / "c.csv", first.port)
    assert not (tmp_path / ".c.csv.page").exists()
    first.close()
    second.close()
