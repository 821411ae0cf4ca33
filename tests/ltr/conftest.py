"""Small data sets on disk, a local.py, and a network with a factory."""

import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.admin.model_constructor import model_constructor
from tests.support.networks import ToyNet

BOX = (10.0, 12.0, 20.0, 16.0)


@pytest.fixture
def local_py(tmp_path, monkeypatch) -> Path:
    """A local.py with a workspace in tmp_path; tests may rewrite it."""
    path = tmp_path / "local.py"
    path.write_text(
        "class EnvironmentSettings:\n"
        "    def __init__(self):\n"
        f"        self.workspace_dir = {str(tmp_path / 'ws')!r}\n"
        "        self.tensorboard_dir = self.workspace_dir + '/tensorboard/'\n"
    )
    monkeypatch.setenv("LTR_LOCAL", str(path))
    return path


@pytest.fixture
def no_local_py(tmp_path, monkeypatch) -> Path:
    """The place of a local.py that does not exist."""
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent" / "local.py"))
    return tmp_path / "absent" / "local.py"


def write_images(folder: Path, names, size=(48, 64)) -> None:
    """A noisy JPEG under each name; (height, width) = size."""
    folder.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    for name in names:
        cv2.imwrite(str(folder / name), image)


def box_lines(count: int, separator: str = ",") -> str:
    """`count` lines whose x grows by one a frame."""
    return "".join(
        separator.join(f"{v:.2f}" for v in (BOX[0] + i, *BOX[1:])) + "\n" for i in range(count)
    )


@pytest.fixture
def trees() -> types.SimpleNamespace:
    """What the trees below are made of, for tests that make more."""
    return types.SimpleNamespace(BOX=BOX, write_images=write_images, box_lines=box_lines)


@pytest.fixture
def got10k_root(tmp_path, no_local_py) -> Path:
    """Two sequences of 25 frames; frames 5 and 6 of the first are absent and uncovered, frame 7 has
    no area.
    """
    root = tmp_path / "got10k" / "train"
    for number in (1, 2):
        folder = root / f"GOT-10k_Train_{number:06d}"
        write_images(folder, [f"{i:08d}.jpg" for i in range(1, 26)])
        absent, cover = np.zeros(25, int), np.full(25, 8)
        lines = box_lines(25).splitlines()
        if number == 1:
            absent[5], cover[6], lines[7] = 1, 0, "1,2,0,0"
        (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
        (folder / "absence.label").write_text("\n".join(map(str, absent)))
        (folder / "cover.label").write_text("\n".join(map(str, cover)) + "\n")
        (folder / "meta_info.ini").write_text(
            "[METAINFO]\nurl: none\nbegin: 0\nend: 1\nanno_fps: 10Hz\n"
            "object_class: bear\nmotion_class: running\nmajor_class: animal\n"
            "root_class: animal\nmotion_adverb: fast\n"
        )
    (root / "list.txt").write_text("GOT-10k_Train_000001\nGOT-10k_Train_000002\n")
    return root


@pytest.fixture
def lasot_root(tmp_path, no_local_py) -> Path:
    """airplane-1, airplane-5 and basketball-1 of 22 frames; frame 3 occluded, frame 4 out of
    view.
    """
    root = tmp_path / "lasot"
    for name in ("airplane-1", "airplane-5", "basketball-1"):
        folder = root / name.split("-")[0] / name
        write_images(folder / "img", [f"{i:08d}.jpg" for i in range(1, 23)])
        (folder / "groundtruth.txt").write_text(box_lines(22))
        for file, hidden in (("full_occlusion.txt", 3), ("out_of_view.txt", 4)):
            (folder / file).write_text(",".join(str(int(i == hidden)) for i in range(22)))
    return root


@pytest.fixture
def trackingnet_root(tmp_path, no_local_py) -> Path:
    """Set 0 with videos b and a of 12 frames, set 2 with video c."""
    root = tmp_path / "trackingnet"
    for set_id, video in ((0, "b"), (0, "a"), (2, "c")):
        folder = root / f"TRAIN_{set_id}"
        write_images(folder / "frames" / video, [f"{i}.jpg" for i in range(12)])
        (folder / "anno").mkdir(exist_ok=True)
        (folder / "anno" / f"{video}.txt").write_text(box_lines(12))
    return root


@pytest.fixture
def toy_networks(monkeypatch):
    """An imported module `toy_networks` with the factory `toy_net(k)` and an undecorated
    `plain_net()`.
    """
    module = types.ModuleType("toy_networks")

    def toy_net(k=3, backbone_pretrained=True):
        net = ToyNet(k)
        net.was_pretrained = backbone_pretrained
        return net

    toy_net.__module__ = "toy_networks"
    module.toy_net, module.plain_net = model_constructor(toy_net), lambda: ToyNet(3)
    monkeypatch.setitem(sys.modules, "toy_networks", module)
    return module
