"""A small real tree to train on: a textured square moves over noise, in GOT-10k's layout."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ltr.dataset import Got10k
from spot_ext.data.videos import LabelledDataset, VideoPool
from spot_ext.labels import key_frames

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
            image[y:y + 20, x:x + 24] = target
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
