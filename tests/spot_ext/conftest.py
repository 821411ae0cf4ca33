"""A small real tree to train on: a textured square moves over noise, in GOT-10k's layout."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.dataset import Got10k
from spot_ext.boxes import key_frames
from spot_ext.training.data.videos import LabelledDataset, VideoPool

VIDEOS, FRAMES, SIZE = 4, 24, (96, 128)


def write_tree(root: Path, videos: int = VIDEOS, frames: int = FRAMES) -> Path:
    rng = np.random.default_rng(0)
    for video in range(videos):
        folder = root / f"video_{video:02d}"
        folder.mkdir(parents=True)
        background = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), SIZE[::-1])
        target = rng.integers(0, 255, (20, 24, 3), np.uint8)
        boxes = []
        for frame in range(frames):
            x, y = 10 + 2 * frame, 15 + (frame * (video + 1)) % 40
            image = background.copy()
            image[y : y + 20, x : x + 24] = target
            cv2.imwrite(str(folder / f"{frame + 1:08d}.jpg"), image)
            boxes.append(f"{x}.0000,{y}.0000,24.0000,20.0000\n")
        (folder / "groundtruth.txt").write_text("".join(boxes))
        for name, value in (("absence", 0), ("cover", 8), ("cut_by_image", 0)):
            (folder / f"{name}.label").write_text(f"{value}\n" * frames)
        (folder / "meta_info.ini").write_text("[METAINFO]\n")
    (root / "list.txt").write_text("".join(f"video_{video:02d}\n" for video in range(videos)))
    return root


@pytest.fixture
def tree(tmp_path) -> Path:
    return write_tree(tmp_path / "train")


@pytest.fixture(scope="session")
def lasting_tree(tmp_path_factory) -> Path:
    """The same for tests that only read it."""
    return write_tree(tmp_path_factory.mktemp("lasting") / "train")


@pytest.fixture
def lasot_tree(tmp_path) -> Path:
    """Two videos of one class."""
    videos = write_tree(tmp_path / "as_got10k", videos=2)
    for number in (1, 2):
        source, folder = (
            videos / f"video_{number - 1:02d}",
            tmp_path / "lasot" / "cup" / f"cup-{number}",
        )
        (folder / "img").mkdir(parents=True)
        for frame in source.glob("*.jpg"):
            frame.rename(folder / "img" / frame.name)
        (source / "groundtruth.txt").rename(folder / "groundtruth.txt")
        for name in ("full_occlusion", "out_of_view"):
            (folder / f"{name}.txt").write_text(",".join(["0"] * FRAMES) + "\n")
    return tmp_path / "lasot"


@pytest.fixture
def trackingnet_tree(tmp_path) -> Path:
    """One video in each of the sets 0 and 3."""
    videos = write_tree(tmp_path / "as_got10k_too", videos=2)
    for index, number in enumerate((0, 3)):
        source, root = videos / f"video_{index:02d}", tmp_path / "trackingnet" / f"TRAIN_{number}"
        (root / "frames" / f"clip{index}").mkdir(parents=True)
        (root / "anno").mkdir()
        for frame in source.glob("*.jpg"):
            frame.rename(root / "frames" / f"clip{index}" / f"{int(frame.stem) - 1}.jpg")
        (source / "groundtruth.txt").rename(root / "anno" / f"clip{index}.txt")
    return tmp_path / "trackingnet"


@pytest.fixture
def open_pool():
    def opened(tree: Path, folder: Path, k: int = 3, seed: int = 0, labels=None) -> VideoPool:
        dataset = Got10k(root=str(tree))
        sources = [LabelledDataset(dataset, labels or key_frames.choose(dataset, k, seed))]
        pool = VideoPool(sources, folder / "store")
        pool.open_store(sources)
        return pool

    return opened


@pytest.fixture
def pool(open_pool, tree, tmp_path) -> VideoPool:
    return open_pool(tree, tmp_path / "run")
