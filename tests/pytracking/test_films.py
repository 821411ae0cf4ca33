"""Films that are written are whole, or nothing is there and a sentence says why."""

from __future__ import annotations

import subprocess
import sys

import av
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


@pytest.mark.parametrize("size", [(60, 80), (61, 81)])
def test_a_film_has_the_codec_and_pixels_that_browsers_play(size, tmp_path):
    write(tmp_path / "film.mp4", 6, size)
    with av.open(str(tmp_path / "film.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.height, stream.width) == (60 + size[0] % 2 * 2, 80 + size[1] % 2 * 2)
        assert stream.average_rate == 10


@pytest.mark.parametrize("fps", [0, float("nan"), float("inf"), 30000 / 1001, 12.5])
def test_any_rate_that_a_source_tells_makes_a_film(fps, tmp_path):
    writer = VideoWriter(tmp_path / "film.mp4", fps)
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.close()
    assert len(open_video(tmp_path / "film.mp4")) == 1


@pytest.mark.parametrize(("kept", "says"), [(4, "it holds 4 of 6 frames"), (0, "written whole")])
def test_a_film_that_lacks_frames_is_told_and_removed(kept, says, tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_bytes(b"an older film")
    mux = VideoWriter._mux

    def forgetful(writer, picture):
        if picture is None or picture.pts < kept:
            mux(writer, picture)

    monkeypatch.setattr(VideoWriter, "_mux", forgetful)
    with pytest.raises(CannotWrite, match=says) as caught:
        write(tmp_path / "film.mp4")
    assert "\n" not in str(caught.value) and not isinstance(caught.value, DiskFull)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an older film"]


def test_a_film_whose_encoder_is_missing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(video.CODECS, ".mp4", ("no_such_encoder", "yuv420p"))
    with pytest.raises(BadInput, match="has no encoder no_such_encoder; install"):
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
