"""The whole way of someone with a folder of videos: sample, annotate over the page's HTTP
interface, label, export, report.
"""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from spot_ext import __main__ as command
from spot_ext.boxes import formats
from spot_ext.propagate import adapting
from spot_ext.rendering import drawn

pytest.importorskip(
    "uvicorn", reason='the page needs uvicorn: pip install "spot-tracking[annotate]"'
)


@pytest.fixture
def videos(tmp_path) -> tuple[Path, dict[str, np.ndarray]]:
    """Two short toy videos without their annotation, and the boxes that a person would draw."""
    tree = drawn.render(
        tmp_path / "toy", splits={"val": 2}, size=(128, 96), frames=(12, 14), workers=1
    )
    truth = {}
    for folder in sorted(path for path in (tree.root / "val").iterdir() if path.is_dir()):
        truth[folder.name] = np.loadtxt(folder / "groundtruth.txt", delimiter=",")
        for file in folder.iterdir():
            if file.suffix != ".jpg":
                file.unlink()
    return tree.root / "val", truth


def ask(url: str, body: dict | None = None) -> dict:
    """What the page asks of its server."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=120
    ) as answer:
        return json.load(answer)


def draw(folder: Path, key_frames: Path, few: Path, truth: dict[str, np.ndarray]) -> None:
    """Start `annotate` as a person does and label every frame that it asks for."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "spot_ext",
            "annotate",
            str(folder),
            "--boxes",
            str(few),
            "--suggest",
            str(key_frames),
            "--no-browser",
            "--json",
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = json.loads(server.stdout.readline())["url"]
        for video in ask(f"{url}api/state")["videos"]:
            edits = [
                {
                    "video": video["name"],
                    "object": "1",
                    "frame": item["frame"],
                    "box": truth[video["name"]][item["frame"]].tolist(),
                }
                for item in video["wanted"]
            ]
            assert ask(f"{url}api/edits", {"edits": edits})["saved"]
        assert all(
            video["done"] == len(video["wanted"]) for video in ask(f"{url}api/state")["videos"]
        )
    finally:
        server.send_signal(2)
        server.wait(timeout=120)


def test_from_a_folder_of_videos_to_dense_boxes_and_a_report(videos, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "local.py"))
    (tmp_path / "local.py").write_text(
        f"class EnvironmentSettings:\n    workspace_dir = {str(tmp_path / 'workspace')!r}\n"
    )
    monkeypatch.setattr(adapting, "ITERATIONS", 1)
    folder, truth = videos
    few, out = tmp_path / "few.csv", tmp_path / "labelled"

    def spot(*arguments) -> str:
        assert command.main([str(argument) for argument in arguments]) in (None, 0)
        return capsys.readouterr().out

    sampled = json.loads(
        spot(
            "sample",
            "folder",
            "--root",
            folder,
            "--k",
            2,
            "--out",
            tmp_path / "key_frames.json",
            "--json",
        )
    )
    draw(folder, Path(sampled["labels"]), few, truth)
    drawn = {video.video: video.objects[0] for video in formats.read(few)}
    assert (
        drawn.keys() == truth.keys()
        and sum(len(item.frame_ids) for item in drawn.values()) == sampled["boxes"] == 4
    )

    summary = json.loads(
        spot(
            "label",
            folder,
            "--boxes",
            few,
            "--out",
            out,
            "--epochs",
            2,
            "--device",
            "cpu",
            "--json",
        )
    )
    assert not summary["failed"] and {file.name for file in out.iterdir()} >= {
        "boxes.csv",
        "review.csv",
        "label.json",
        "tracker.pth.tar",
    }
    for video in formats.read(out):
        item, given = video.objects[0], drawn[video.video]
        assert item.frame_ids.tolist() == list(range(len(truth[video.video])))
        assert item.frame_ids[item.human].tolist() == given.frame_ids.tolist()
        assert np.array_equal(item.boxes_xywh[item.human], given.boxes_xywh)  # to the last bit
        assert ((item.confidences >= 0) & (item.confidences <= 1)).all()

    spot(
        "export", out, "--format", "coco", "--out", tmp_path / "boxes.json"
    )  # knows the videos from label.json
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert {
        video["name"]: (video["width"], video["height"]) for video in content["videos"]
    } == dict.fromkeys(truth, (128, 96))
    for one, other in zip(formats.read(tmp_path / "boxes.json"), formats.read(out), strict=True):
        assert (one.video, one.objects) == (other.video, other.objects)

    spot("report", out, "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg") > 4 and all(name in page for name in truth)
    assert not re.search(
        r"https?://|src=\"(?!data:)",
        re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "data:", page),
    )
