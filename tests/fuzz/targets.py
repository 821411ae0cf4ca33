"""What is tried: each target makes an input from a generator and gives it to a part of the toolkit."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ltr.admin.arguments import check_numbers
from ltr.admin.loading import load_network
from ltr.admin.places import declared_places
from ltr.data.image_loader import default_image_loader
from ltr.dataset.sequence_index import SequenceIndex
from ltr.frames.opening import open_video
from ltr.io.array_file import open_arrays, write_arrays
from ltr.io.checkpoint import write_checkpoint
from pytracking.evaluation.video import VideoWriter
from pytracking.evaluation.vot_regions import parse_region
from pytracking.utils.load_text import load_text, read_boxes
from spot_ext.__main__ import build_parser
from spot_ext.annotate import frame_requests
from spot_ext.boxes import formats
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.check.images import image_size
from spot_ext.check.label_files import check_label_file
from spot_ext.discover.detections import read_detections
from spot_ext.training import history
from tests.fuzz.mutations import ODD_VALUES, mutated, odd_value

KNOWN = {"walk": (20, (200, 100))}
SAMPLE = VideoBoxes(
    "walk",
    (
        ObjectTrack(
            "1",
            np.arange(3),
            np.array([[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8]]),
            np.array([1, 0.5, 0.25]),
            np.array([True, False, False]),
            "dog",
        ),
    ),
    20,
    (200, 100),
    25.0,
)


@dataclass(frozen=True)
class Target:
    """One part of the toolkit; `prepare(folder)` makes what is sound and returns the trial."""

    name: str
    prepare: Callable[[Path], Callable[[random.Random], Any]]


def file_target(name: str, make: Callable[[Path], Path], read: Callable[[Path], Any]) -> Target:
    """Try a reader on damaged copies of the file or folder that `make` writes."""

    def prepare(folder: Path) -> Callable[[random.Random], Any]:
        place = make(folder)
        files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
        sound = {file: file.read_bytes() for file in sorted(files)}

        def trial(draw: random.Random) -> Any:
            file = draw.choice(list(sound))
            # Written anew: a map of the file before must not change under a reader.
            file.unlink(missing_ok=True)
            file.write_bytes(mutated(sound[file], draw))
            try:
                return read(place)
            finally:
                file.unlink(missing_ok=True)
                file.write_bytes(sound[file])

        return trial

    return Target(name, prepare)


def _boxes(format: str) -> Target:
    is_folder = not formats.FORMATS[format].suffixes

    def make(folder: Path) -> Path:
        place = folder / ("boxes" if is_folder else f"boxes{formats.FORMATS[format].suffixes[0]}")
        formats.write([SAMPLE], place, format)
        return place

    def read(place: Path) -> None:
        formats.read(place, format, KNOWN)
        # Without a name the format is guessed, too.
        formats.read(place, None, KNOWN)
        check_label_file(place, None, format)

    return file_target(f"boxes in {format}", make, read)


def _text(name: str, text: str, read: Callable[[Path], Any], suffix: str = ".txt") -> Target:
    def make(folder: Path) -> Path:
        path = folder / f"file{suffix}"
        path.write_text(text)
        return path

    return file_target(name, make, read)


def _labels(folder: Path) -> Path:
    path = folder / "labels.json"
    formats.write([SAMPLE], path, "keyframes")
    return path


def _network(suffix: str) -> Target:
    def make(folder: Path) -> Path:
        from ltr.models.tracking.transt_light import transt_light

        torch.manual_seed(0)
        net = transt_light(hidden_dim=16, nheads=2, dim_feedforward=16, featurefusion_layers=1)
        constructor = {
            "fun_name": "transt_light",
            "fun_module": "ltr.models.tracking.transt_light",
            "args": (),
            "kwds": {"hidden_dim": 16, "nheads": 2, "dim_feedforward": 16},
        }
        path = folder / f"net{suffix}"
        write_checkpoint(path, {"net": net.state_dict(), "constructor": constructor})
        return path

    return file_target(f"network {suffix}", make, load_network)


def _descriptions(folder: Path) -> Callable[[random.Random], Any]:
    """Sound weights with odd descriptions."""
    from ltr.models.tracking.transt_light import transt_light

    torch.manual_seed(0)
    sizes = {"hidden_dim": 16, "nheads": 2, "dim_feedforward": 16, "featurefusion_layers": 1}
    net = transt_light(**sizes).state_dict()
    description = {
        "constructor": {
            "fun_name": "transt_light",
            "fun_module": "ltr.models.tracking.transt_light",
            "args": [],
            "kwds": sizes,
        },
        "net_info": {"a": 1},
        "net_type": "TransTLight",
    }

    def trial(draw: random.Random) -> Any:
        path = folder / "net.pth.tar"
        odd = odd_value(description, draw)
        torch.save({**odd, "net": net} if isinstance(odd, dict) else odd, path)
        return load_network(path)

    return trial


def _arrays(folder: Path) -> Path:
    path = folder / "arrays.safetensors"
    write_arrays(path, {"a": np.arange(12, dtype=np.float32).reshape(3, 4)}, {"stamp": "x"})
    return path


def _index(folder: Path) -> Callable[[random.Random], Any]:
    annotation = folder / "truth.txt"
    annotation.write_text("1,2,3,4\n")
    file = folder / "index.safetensors"
    expected = np.full((3, 4), 7, np.float32)

    def read() -> np.ndarray:
        index = SequenceIndex.open(file, ["w"], [[annotation]], lambda _: {"b": expected}, "x")
        record = index[0]
        assert record is not None
        return np.array(record["b"])

    read()
    sound = file.read_bytes()

    def trial(draw: random.Random) -> None:
        file.unlink(missing_ok=True)
        file.write_bytes(mutated(sound, draw))
        # It can be made again, so damage may never be seen.
        assert np.array_equal(read(), expected)

    return trial


def _picture(suffix: str) -> Target:
    def make(folder: Path) -> Path:
        path = folder / f"picture{suffix}"
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        cv2.imwrite(str(path), noise)
        return path

    def read(path: Path) -> None:
        image_size(path)
        default_image_loader(path)

    return file_target(f"picture {suffix}", make, read)


def _video(suffix: str) -> Target:
    def make(folder: Path) -> Path:
        path = folder / f"clip{suffix}"
        writer = VideoWriter(path, 10)
        for number in range(6):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
        writer.close()
        return path

    def read(path: Path) -> None:
        source = open_video(path)
        for number in range(min(len(source), 50)):
            source.read(number)

    return file_target(f"video {suffix}", make, read)


EDIT = {"video": "walk", "object": "dog", "frame": 1, "box": [1, 2, 3, 4]}


def _requests(folder: Path) -> Callable[[random.Random], Any]:
    from starlette.testclient import TestClient

    from spot_ext.annotate.app import create_app
    from spot_ext.annotate.session import Session

    videos = folder / "videos"
    (videos / "walk").mkdir(parents=True)
    for number in range(4):
        cv2.imwrite(str(videos / f"walk/{number}.png"), np.zeros((24, 32, 3), np.uint8))
    client = TestClient(
        create_app(Session(videos), "t"),
        base_url="http://127.0.0.1:1/t/",
        raise_server_exceptions=False,
    )

    def trial(draw: random.Random) -> None:
        if draw.random() < 0.7:
            content = odd_value({"edits": [EDIT, {**EDIT, "label": "x"}]}, draw)
            body = json.dumps(content).encode() if draw.random() < 0.8 else None
            if body is None:
                body = mutated(json.dumps({"edits": [EDIT]}).encode(), draw)
            headers = {"Content-Type": "application/json"}
            answer = client.post("api/edits", content=body, headers=headers)
        else:
            query = {
                "video": str(draw.choice(("walk", *ODD_VALUES[5:15])))[:3000],
                "frame": str(draw.choice((1, *ODD_VALUES[:4], *ODD_VALUES[9:15])))[:3000],
            }
            answer = client.get(draw.choice(("api/frame", "api/video", "api/x")), params=query)
        if answer.status_code >= 500:
            raise AssertionError(f"status {answer.status_code}: {answer.text[:200]}")
        # Whatever was taken can be shown.
        if client.get("api/video?video=walk").status_code != 200:
            raise AssertionError("the video cannot be shown any more")

    return trial


LINES = (
    "track clip.mp4 --box 1,2,3,4 --start 0 --out o.csv",
    "export few.csv --format coco --out o.json",
    "label videos --boxes few.csv --out out --epochs 3 --seed 1",
    "sample folder --root videos --k 3 --seed 0 --out few.json",
    "annotate videos --boxes few.csv --k 3 --port 8765",
    "check folder videos --json report.json --workers 2",
    "discover videos --mode motion --out found --least-score 0.5",
    "tune transt light --dataset toy --trials 5 --workers 1",
    "scenes --out scenes --count 3 --frames 10",
    "suggest run --n 4 --per-video 2",
    "report run --out report.html",
    "train quickstart --seed 1",
)
ODD_WORDS = (
    "-1", "0", "9" * 31, "9" * 5000, "1e3", "nan", "inf", "²", "", " ", ".", "/", "..", "few.csv",
    "few.csv/x", "/proc/x", "/dev/null", "x" * 300, "é" * 200, "--", "-", "--seed", "--k", "videos",
    "\u202e", "%s", "~", "*",
)  # fmt: skip


def _command_lines(folder: Path) -> Callable[[random.Random], Any]:
    """Everything of a command up to its work: the arguments, their numbers and places."""
    (folder / "videos").mkdir()
    (folder / "few.csv").write_text("video,object,frame,x,y,w,h\nwalk,dog,0,1,2,3,4\n")
    parser = build_parser()

    def trial(draw: random.Random) -> None:
        words = draw.choice(LINES).split()
        for _ in range(draw.choice((1, 1, 2, 3))):
            place = draw.randrange(1, len(words) + 1)
            words[place : place + draw.randrange(2)] = [draw.choice(ODD_WORDS)]
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            options = parser.parse_args(words)
            check_numbers(options.parser, options)
            with declared_places(options.parser, options):
                pass

    return trial


def _recipes(folder: Path) -> Callable[[random.Random], Any]:
    from ltr.train_settings.spot import quickstart

    plain = quickstart.config().to_plain()
    names = [name for name, value in plain.items() if not isinstance(value, dict)]
    names += [f"{part}.{name}" for part in ("teacher", "optim", "crops") for name in plain[part]]
    values = ("-1", "0", "1", "7", "1e999", "nan", "9" * 31, "none", "true", "x", "", "[1]", "0.5")

    def trial(draw: random.Random) -> None:
        chosen = draw.sample(names, draw.choice((1, 2, 4)))
        quickstart.config().override({name: draw.choice(values) for name in chosen})

    return trial


REQUESTS = "video,object,frame,score,reason\nwalk,1,3,0.5,unsure\nwalk,1,9,0.2,fast\n"
HISTORY = json.dumps(
    {
        "epoch": 1,
        "stage": "sparse",
        "stats": {"Loss/total": 1.5},
        "confidences": [0] * history.BINS,
        "explored": {"0": "3-5 9"},
    }
)
MOT = "1,-1,10,20,30,40,0.9,-1,-1,-1\n2,-1,11,20,30,40,0.8,-1,-1,-1\n"


def _history(folder: Path) -> Callable[[random.Random], Any]:
    path = folder / history.FILE

    def trial(draw: random.Random) -> None:
        path.write_bytes(mutated(f"{HISTORY}\n".encode(), draw))
        history.HistoryWriter(folder).mend()
        history.read(folder)

    return trial


def _detections(path: Path) -> Any:
    return read_detections(path, ["walk"], lambda _: None)


def _state(path: Path) -> Any:
    return list(label_file.read_state(path))


STATE = json.dumps(
    {
        "walk": [
            {
                "key_frame_ids": [1],
                "relay_frame_ids": [1, 2],
                "bboxes": [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]],
                "confidence": [1.0, 0.5],
            }
        ]
    }
)

TARGETS: tuple[Target, ...] = (
    *(_boxes(name) for name in formats.FORMATS),
    file_target("key frames", _labels, label_file.read),
    _text("sampler state", STATE, _state, ".json"),
    _text("requests", REQUESTS, lambda p: frame_requests.from_file(p, {"walk": 20}), ".csv"),
    _text("detections", MOT, _detections),
    Target("history", _history),
    _text("result boxes", "1,2,3,4\n5,6,7,8\n", read_boxes),
    _text("annotation", "1,2,3,4\n5,6,7,8\n", lambda path: load_text(path, delimiter=",")),
    _text("VOT region", "10,20,30,40", lambda path: parse_region(path.read_text(errors="replace"))),
    _network(".pth.tar"),
    _network(".safetensors"),
    Target("network description", _descriptions),
    file_target("array file", _arrays, lambda path: open_arrays(path, verify=True)),
    Target("data set index", _index),
    *(_picture(suffix) for suffix in (".jpg", ".png", ".bmp", ".webp", ".tif")),
    *(_video(suffix) for suffix in (".mp4", ".avi")),
    Target("requests of the page", _requests),
    Target("command lines", _command_lines),
    Target("settings of a recipe", _recipes),
)


def fresh(folder: Path) -> Path:
    """Return an empty folder in place of `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
