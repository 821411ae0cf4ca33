"""The annotation page in a real browser: what is drawn is shown, saved, and there again after a
reload or a crash.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

pytest.importorskip(
    "uvicorn", reason='the page needs uvicorn: pip install "spot-tracking[annotate]"'
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="driving a browser needs playwright: pip install playwright"
)

WIDTH, HEIGHT, FRAMES, PATIENCE = (
    320,
    240,
    24,
    120_000,
)  # milliseconds a machine under load may take
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SERVER = """
import sys
from pathlib import Path
from spot_ext.annotate.session import Session
from spot_ext.annotate.serving import serve
folder, propagated = Path(sys.argv[1]), Path(sys.argv[1]).parent / "dense.csv"
session = Session(folder, propagated=propagated if propagated.is_file() else None)
serve(session, None, False, lambda url: print(url, flush=True))
"""


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the one in SPOT_BROWSER, on the path, or playwright's own."""
    program = os.environ.get("SPOT_BROWSER") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(
                executable_path=program, args=["--no-sandbox"], timeout=PATIENCE
            )
        except playwright.Error as error:
            pytest.skip(
                "no Chromium to test the page with; install one or set SPOT_BROWSER "
                f"({str(error).splitlines()[0]})"
            )
        yield browser
        browser.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "clips"
    for name in ("one", "two"):
        (root / name).mkdir(parents=True)
        for frame in range(FRAMES):
            image = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
            image[60:120, 40 + 4 * frame : 100 + 4 * frame] = (40, 180, 240)
            cv2.imwrite(str(root / name / f"{frame}.jpg"), image)
    return root


class Server:
    def __init__(self, folder: Path):
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.folder)], stdout=subprocess.PIPE, text=True
        )
        self.url = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(folder):
    server = Server(folder)
    yield server
    server.kill()


class Page:
    """The page as a person uses it; points are pixels of the frame."""

    def __init__(self, browser, url: str):
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(PATIENCE)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.open(url)

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready=true]")

    def frame(self, number: int | None = None) -> int:
        """The frame shown; with a number, go there."""
        if number is not None:
            self.page.fill("#frame-number", str(number))
            self.page.press("#frame-number", "Enter")
            self.page.wait_for_selector(f"#stage[data-frame='{number}']")
        return int(self.page.get_attribute("#stage", "data-frame"))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.screen(start))
        self.page.mouse.down()
        self.page.mouse.move(*self.screen(((start[0] + end[0]) / 2, end[1])))
        self.page.mouse.move(*self.screen(end))
        self.page.mouse.up()

    def screen(self, point: tuple[float, float]) -> tuple[float, float]:
        stage = self.page.locator("#stage")
        place = stage.bounding_box()
        scale, left, top = (
            float(stage.get_attribute(f"data-{name}")) for name in ("scale", "left", "top")
        )
        return place["x"] + left + scale * point[0], place["y"] + top + scale * point[1]

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def wait_saved(self) -> None:
        self.page.wait_for_selector("#save-state[data-state=saved]")

    def states(self) -> list[str]:
        """What the list of objects says of this frame."""
        return self.page.locator("#objects .state").all_inner_texts()


@pytest.fixture
def page(browser, server):
    page = Page(browser, server.url)
    yield page
    assert page.problems == []
    page.page.close()


def saved(folder: Path, video: str = "one", object_id: str = "1") -> dict[int, list[float] | None]:
    path = folder / "boxes.csv"
    for item in formats.read(path) if path.exists() else []:
        for one in item.objects:
            if (item.video, one.object_id) == (video, object_id):
                return {
                    frame: None if np.isnan(box[0]) else [round(value) for value in box]
                    for frame, box in zip(
                        one.frame_ids.tolist(), one.boxes_xywh.tolist(), strict=True
                    )
                }
    return {}


def test_a_box_that_is_drawn_is_saved_and_there_after_a_reload(page, folder, server):
    frame = page.frame()
    page.drag((40, 60), (100, 120))
    page.wait_saved()
    assert saved(folder) == {frame: [40, 60, 60, 60]}
    assert page.page.inner_text("#progress-text").startswith("1 of ")
    page.page.reload()
    page.page.wait_for_selector(f"#stage[data-frame='{frame}']")
    assert page.states() == ["box 60 × 60 px"]


def test_boxes_are_moved_resized_deleted_and_marked_absent(page, folder):
    def now(*expected):
        page.wait_saved()
        assert list(saved(folder).values()) == list(expected)

    page.drag((40, 60), (100, 120))
    page.drag((70, 90), (80, 85))  # inside: move
    now([50, 55, 60, 60])
    page.drag((110, 115), (130, 135))  # the corner: resize
    now([50, 55, 80, 80])
    page.keys("d", "Shift+S", "j", "k")  # right, ten down, narrower, taller
    now([51, 65, 79, 81])
    page.keys("z")  # the four keys were two steps and more: back to before them, one by one
    page.keys("x")
    now(None)
    page.keys("z", "Delete")
    now()
    page.keys("z")
    page.wait_saved()
    assert saved(folder)[page.frame()] is not None
    page.drag((315, 235), (600, 600))  # over the edge: cut there
    now([315, 235, 5, 5])


def test_several_objects_have_names_and_are_told_apart(page, folder):
    frame = page.frame()
    page.drag((40, 60), (100, 120))
    page.keys("o")
    page.page.keyboard.type("ball")
    page.keys("Enter")
    page.drag((150, 100), (200, 180))
    page.keys("1", "Delete")
    page.wait_saved()
    assert saved(folder, object_id="2") == {frame: [150, 100, 50, 80]} and saved(folder) == {}
    assert formats.read(folder / "boxes.csv")[0].objects[0].label == "ball"


def test_wanted_frames_are_gone_through_with_one_key_across_videos(page, folder):
    seen = []
    for _ in range(6):
        seen.append((page.page.inner_text("#video-name"), page.frame()))
        page.keys("x")
        page.wait_saved()
        page.keys("n")
        page.page.wait_for_function(
            "([name, frame]) => document.querySelector('#video-name').textContent !== name"
            " || document.querySelector('#stage').dataset.frame !== String(frame)"
            " || document.querySelector('#progress').value === "
            "document.querySelector('#progress').max",
            arg=list(seen[-1]),
        )
    done, total = page.page.inner_text("#progress-text").split()[0::2][:2]
    assert done == total and {name for name, _ in seen} == {"one", "two"}


def test_what_is_drawn_while_the_server_is_dead_is_saved_when_it_is_back(page, folder, server):
    frame = page.frame()
    page.drag((40, 60), (100, 120))
    page.wait_saved()
    server.kill()
    assert saved(folder) == {frame: [40, 60, 60, 60]}
    page.drag((70, 90), (80, 85))
    page.page.wait_for_selector("#save-state[data-state=failed]")
    assert "does not answer" in page.page.inner_text("#alert") and saved(folder) == {
        frame: [40, 60, 60, 60]
    }
    server.start()  # the same address: the page goes on by itself
    page.wait_saved()
    assert saved(folder) == {frame: [50, 55, 60, 60]} and not page.page.is_visible("#alert")


def test_proposed_boxes_are_accepted_with_a_key_and_corrected_with_the_mouse(browser, folder):
    boxes = np.array([[40 + 4 * frame, 60, 60, 60] for frame in range(FRAMES)], dtype=float)
    confidences = np.linspace(0.95, 0.2, FRAMES)
    item = ObjectTrack(
        "1", np.arange(FRAMES), boxes, confidences, np.zeros(FRAMES, dtype=bool), "box"
    )
    formats.write([VideoBoxes("one", (item,))], folder.parent / "dense.csv", "csv")
    server = Server(folder)
    try:
        page = Page(browser, server.url)
        page.frame(6)
        assert "proposed" in page.states()[0]
        page.keys("Escape", "Enter")
        page.wait_saved()
        page.frame(10)
        page.drag((110, 90), (120, 95))
        page.wait_saved()
        page.keys("u")
        page.page.wait_for_selector(f"#stage[data-frame='{FRAMES - 1}']")  # the least sure
        assert saved(folder) == {6: [64, 60, 60, 60], 10: [90, 65, 60, 60]} and page.problems == []
        page.page.close()
    finally:
        server.kill()


def test_every_control_has_a_name_and_nothing_is_asked_of_other_places(browser, server):
    context = browser.new_context()
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    view = context.new_page()
    view.set_default_timeout(PATIENCE)
    view.goto(server.url)
    view.wait_for_selector("html[data-ready=true]")
    nameless = view.eval_on_selector_all(
        "button, input, canvas, progress",
        """all => all.filter(e => !(e.ariaLabel
        || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)""",
    )
    assert (
        nameless == []
        and asked
        and all(address.startswith((server.url, "blob:")) for address in asked)
    )
    assert (
        json.loads(view.evaluate("JSON.stringify([...Array(localStorage.length).keys()])")) == []
    )  # nothing waits
    context.close()
