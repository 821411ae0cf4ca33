"""The live view in the browser, against a real visdom server on the loopback device."""

import base64
import json
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import NotConfigured
from pytracking.evaluation import Tracker, get_dataset
from pytracking.utils import visdom as live
from pytracking.utils.visdom_panels import VisCostVolumeUI, VisFeaturemap

pytest.importorskip("visdom", reason="the live view needs the extra visdom")
# `-m visdom.server` would first download the page's scripts
START = "from visdom.server.run_server import main; main()"
_server: dict = {}


@pytest.fixture
def server(tmp_path_factory) -> dict:
    """`{'server', 'port'}` of a running server; one for all tests, started again when a test ended
    it.
    """
    if "process" not in _server or _server["process"].poll() is not None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        _server.update(
            port=port,
            process=subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    START,
                    "-port",
                    str(port),
                    "--hostname",
                    "127.0.0.1",
                    "-env_path",
                    str(tmp_path_factory.mktemp("visdom")),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ),
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.1)
    return {"server": "127.0.0.1", "port": _server["port"]}


@pytest.fixture(scope="module", autouse=True)
def stop_server():
    yield
    if "process" in _server:
        _server["process"].terminate()
        _server["process"].wait()


def windows(view: live.Visdom) -> dict:
    """What the server shows, by panel."""
    return json.loads(view.visdom.get_window_data())


def picture(window: dict) -> np.ndarray:
    data = base64.b64decode(window["content"]["src"].split(",")[1])
    return cv2.cvtColor(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )


@pytest.fixture
def view(server):
    view = live.Visdom(2, None, server)
    view.visdom.close()  # all panels of the test before
    yield view
    view.visdom.use_socket = False


@pytest.mark.parametrize(
    "mode, data, kind",
    [
        ("image", torch.rand(3, 20, 30), "image"),
        ("image", np.zeros((20, 30, 3), np.uint8), "image"),
        ("heatmap", torch.rand(1, 1, 8, 9), "plot"),
        ("cost_volume", torch.rand(4, 5, 4, 5), "plot"),
        ("cost_volume_flip", torch.rand(4, 5, 4, 5), "plot"),
        ("cost_volume_ui", (torch.rand(4, 5, 4, 5), (4, 5)), "plot"),
        ("info_dict", {"a": 1}, "text"),
        ("text", "<b>x</b>", "text"),
        ("lineplot", torch.rand(9), "plot"),
        ("lineplot", (torch.rand(9), torch.arange(9)), "plot"),
        ("lineplot", [0.5], "plot"),
        ("Tracking", (np.zeros((20, 30, 3), np.uint8), [1, 2, 3, 4], np.ones((20, 30))), "image"),
        (
            "bbreg",
            (torch.zeros(3, 30, 40), torch.ones(2, 4), torch.ones(2, 4) * 5, torch.rand(2)),
            "image",
        ),
        ("featmap", torch.rand(1, 3, 6, 7), "properties"),
    ],
)
def test_every_mode_shows_its_panel(view, mode, data, kind):
    view.register(data, mode, 1, "Panel")
    shown = windows(view)["Panel"]
    assert (shown["type"], shown["title"]) == (kind, "Panel")


def test_unknown_mode_is_a_value_error_with_a_suggestion(view):
    with pytest.raises(ValueError, match="unknown mode 'heatmaps', did you mean 'heatmap'"):
        view.register(torch.rand(2, 2), "heatmaps")


def test_tracking_panel_has_rgb_frame_boxes_and_mask_at_a_moderate_size(view):
    frame, mask = np.full((300, 960, 3), (250, 0, 0), np.uint8), np.zeros((300, 960))
    mask[100:200, 600:800] = 2
    view.register(
        (frame, [100, 100, 200, 100], torch.tensor([400.0, 20, 60, 60]), mask),
        "Tracking",
        1,
        "Tracking",
    )
    shown = picture(windows(view)["Tracking"])
    assert shown.shape == (150, 480, 3) and shown[5, 5].tolist() == [250, 0, 0]
    assert shown[75, 350].tolist() == [125, 64, 0]
    assert shown[10, 215].tolist() != [250, 0, 0] and (frame == (250, 0, 0)).all()
    assert view.blocks_list == []  # it cannot be switched off


def test_info_is_merged_and_rounded(view):
    view.register({"frame": 1, "score": 0.98765}, "info_dict", 1, "Status")
    view.register({"frame": 2, "state": "lost"}, "info_dict", 1, "Status")
    assert windows(view)["Status"]["content"] == "frame: 2<br>score: 0.99<br>state: lost<br>"


def test_heatmap_has_row_0_at_the_top(view):
    view.register(torch.tensor([[1.0, 2], [3, 4], [5, 6]]), "heatmap", 1, "Score Map")
    assert windows(view)["Score Map"]["content"]["data"][0]["z"] == [
        [5, 6],
        [3, 4],
        [1, 2],
    ]  # drawn from the bottom


def test_panels_above_the_debug_level_wait_in_the_block_list(view):
    view.register("loss", "text", 3, "Training Loss")
    view.register("status", "text", 1, "Status")
    assert "Training Loss" not in windows(view) and "Status" in windows(view)
    assert [(entry["name"], entry["value"]) for entry in view.blocks_list] == [
        ("Training Loss", False),
        ("Status", True),
    ]
    view.register("later", "text", 3, "Training Loss")
    view.block_list_callback_handler(
        {"event_type": "PropertyUpdate", "propertyId": 0, "value": True}
    )
    view.block_list_callback_handler(
        {"event_type": "PropertyUpdate", "propertyId": 1, "value": False}
    )
    assert windows(view)["Training Loss"]["content"] == "later" and "Status" not in windows(view)
    assert [box["value"] for box in windows(view)["block_list"]["content"]] == [True, False]


def test_events_of_the_browser_arrive(server):
    websocket = pytest.importorskip("websocket")
    events = []
    view = live.Visdom(1, {"handler": events.append, "win_id": "Tracking"}, server)
    view.register((np.zeros((8, 8, 3), np.uint8),), "Tracking", 1, "Tracking")
    browser = websocket.create_connection(f"ws://127.0.0.1:{server['port']}/socket", timeout=5)
    key = {"target": "Tracking", "eid": "main", "event_type": "KeyPress", "key": " "}
    browser.send(json.dumps({"cmd": "forward_to_vis", "data": key}))
    deadline = time.monotonic() + 5
    while not events and time.monotonic() < deadline:
        time.sleep(0.02)
    browser.close()
    view.visdom.use_socket = False
    assert events[0]["key"] == " "


def test_arrow_keys_move_over_the_tiles_of_a_cost_volume(view):
    view.register((torch.arange(36.0).reshape(2, 3, 2, 3), (2, 3)), "cost_volume_ui", 1, "Volume")
    panel = view.registered_blocks["Volume"]
    assert isinstance(panel, VisCostVolumeUI) and panel.raw_data.shape == (4, 9)
    for key in ("Enter", "ArrowDown", "ArrowLeft", "x"):
        panel.handle({"event_type": "KeyPress", "key": key})
    shown = windows(view)["Volume"]["content"]["data"][0]["z"]
    assert panel.cell == (1, 2) and shown == [
        [33, 34, 35],
        [30, 31, 32],
    ]  # the map of the last cell


def test_channels_of_a_feature_map_are_chosen(view):
    view.register(torch.rand(3, 4, 4), "featmap", 1, "Features")
    panel = view.registered_blocks["Features"]
    assert isinstance(panel, VisFeaturemap)
    panel.handle({"event_type": "PropertyUpdate", "propertyId": 2})
    panel.handle({"event_type": "PropertyUpdate", "propertyId": 0})
    assert {name for name in windows(view) if "channel" in name} == {"Features channel 2"}
    panel.toggle_display()
    assert not any(name.startswith("Features") for name in windows(view))


def test_run_with_debug_shows_the_frames(got10k, machine, server, capsys):
    tracker = Tracker("moving", "default")
    tracker.run_sequence(get_dataset("got10k_val")[0], debug=1, visdom_info=server)
    shown = windows(tracker.visdom)
    assert {"Tracking", "Help", "block_list"} <= set(
        shown
    ) and "WARNING" not in capsys.readouterr().out
    assert picture(shown["Tracking"])[30, 35, 0] > 180  # the red square of the frames
    tracker.visdom.visdom.use_socket = False


def test_keys_pause_and_step(machine):
    tracker = Tracker("moving", "default")
    states = []
    for key in ("ArrowRight", " ", "ArrowRight", " "):
        tracker._on_visdom_event({"event_type": "KeyPress", "key": key})
        states.append((tracker.pause_mode, tracker.step))
    assert states == [(False, False), (True, False), (True, True), (False, True)]


def test_server_that_goes_away_is_told_once_and_the_run_goes_on(
    got10k, machine, server, caplog, capfd
):
    tracker = Tracker("moving", "default")
    seq = get_dataset("got10k_val")[0]
    original = tracker.show_frame

    def end_server(*args):
        _server["process"].kill()
        _server["process"].wait()
        original(*args)

    tracker.show_frame = end_server
    assert len(tracker.run_sequence(seq, debug=1, visdom_info=server)["target_bbox"]) == 5
    time.sleep(1.2)  # the listening thread tries again, silently
    tracker.visdom.visdom.use_socket = False
    assert (
        caplog.text.count("does not answer any more") == 1
        and "Traceback" not in capfd.readouterr().err
    )


def test_without_server_matplotlib_shows_the_frames(got10k, machine, calls, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tracker = Tracker("moving", "default")
    tracker.run_sequence(
        get_dataset("got10k_val")[0], debug=1, visdom_info={"server": "127.0.0.1", "port": port}
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("!!! WARNING: Visdom could not start") and len(lines) == 2
    assert f"no visdom server answers at 127.0.0.1:{port}" in lines[1] and len(calls) == 6


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "visdom", None)
    with pytest.raises(
        NotConfigured, match=r"needs the package visdom: .*pip install .*\[visdom\]"
    ):
        live.connect("127.0.0.1", 8097)


def test_neither_visdom_nor_matplotlib_is_imported_before_it_is_used():
    code = (
        "import sys, pytracking.run_video, pytracking.run_webcam, pytracking.utils.visdom, "
        "pytracking.utils.plotting, "
        "pytracking.evaluation.running, pytracking.tracker.transt\n"
        "print([name for name in ('visdom', 'matplotlib', 'websocket') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
