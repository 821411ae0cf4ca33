"""Films that are written are whole, or nothing is there and a sentence says why."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput
from ltr.frames.opening import open_video
from ltr.io.files import CannotWrite, DiskFull
from pytracking.evaluation import video
from pytracking.evaluation.video import VideoWriter


def write(path, frames=6, size=(60, 80), noise=False):
    writer = VideoWriter(path, 10)
    draw = np.random.default_rng(0)
    try:
        for number in range(frames):
            frame = np.full((*size, 3), 40 * number % 250, np.uint8)
            if noise:
                frame = draw.integers(0, 255, frame.shape, np.uint8)
            writer.write(frame)
    finally:
        writer.close()


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov"])
@pytest.mark.parametrize("size", [(60, 80), (61, 81), (16, 16), (360, 641)])
@pytest.mark.parametrize("frames", [1, 2, 40])
def test_every_frame_of_a_film_can_be_read_back(suffix, size, frames, tmp_path):
    write(tmp_path / f"film{suffix}", frames, size)
    assert len(open_video(tmp_path / f"film{suffix}")) == frames
    assert [path.name for path in tmp_path.iterdir()] == [f"film{suffix}"]


class Forgetful:
    """A writer that loses frames without a word, as OpenCV does where there is no room."""

    def __init__(self, kept, *arguments):
        self.kept = kept
        self.writer = REAL_WRITER(*arguments)
        self.isOpened = self.writer.isOpened
        self.release = self.writer.release

    def write(self, frame):
        self.kept -= 1
        if self.kept >= 0:
            self.writer.write(frame)


REAL_WRITER = cv2.VideoWriter


@pytest.mark.parametrize(("kept", "says"), [(4, "it holds 4 of 6 frames"), (0, "written whole")])
def test_a_film_that_lacks_frames_is_told_and_removed(kept, says, tmp_path, monkeypatch):
    class Writer(Forgetful):
        fourcc = REAL_WRITER.fourcc

        def __init__(self, *arguments):
            super().__init__(kept, *arguments)

    (tmp_path / "film.mp4").write_bytes(b"an older film")
    monkeypatch.setattr(video.cv2, "VideoWriter", Writer)
    with pytest.raises(CannotWrite, match=says) as caught:
        write(tmp_path / "film.mp4")
    assert "\n" not in str(caught.value) and not isinstance(caught.value, DiskFull)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older film"]


def test_a_film_that_cannot_be_begun_leaves_nothing(tmp_path, monkeypatch):
    class Closed:
        fourcc = REAL_WRITER.fourcc

        def __init__(self, *_):
            pass

        def isOpened(self):
            return False

    monkeypatch.setattr(video.cv2, "VideoWriter", Closed)
    with pytest.raises(BadInput, match="OpenCV cannot write a video of 80x60 there"):
        write(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["4k", "16k", "200k"])
def small_disk(request, tmp_path):
    """A small disk, for which tests need the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_unplayable_stays(small_disk):
    with pytest.raises(DiskFull, match=r"film.mp4 could not be written, its disk is full"):
        write(small_disk / "film.mp4", 200, (240, 320), noise=True)
    assert not list(small_disk.iterdir())
