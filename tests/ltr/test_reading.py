"""ltr.io.reading and its users: what is no file is refused at once, and so is a picture that
announces more pixels than fit into memory.
"""

import os
import socket
import struct
import zlib

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.data.image_loader import (
    default_image_loader,
    imread_indexed,
    opencv_loader,
    opencv_seg_loader,
)
from ltr.dataset.annotations import read_lines
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.opening import open_video
from ltr.io import reading
from spot_ext.boxes import formats
from spot_ext.check.images import image_size

HUGE = 65_000  # px of a side: 12 GB in colour
READERS = {
    "the default": default_image_loader,
    "OpenCV": opencv_loader,
    "OpenCV, masks": opencv_seg_loader,
    "check": image_size,
    "check --decode": lambda path: image_size(path, decode=True),
}


def a_pipe(path):
    os.mkfifo(path)


def a_device(path):
    path.symlink_to("/dev/zero")


def a_folder(path):
    path.mkdir()


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)
        listening.bind(path.name)


KINDS = [a_pipe, a_device, a_folder, a_socket]


@pytest.fixture(autouse=True)
def back_from_the_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_an_image_that_is_no_file_is_refused_without_waiting(make, reader, tmp_path):
    make(tmp_path / "0001.jpg")
    with pytest.raises(BadInput, match=r"0001\.jpg"):
        READERS[reader](tmp_path / "0001.jpg")


@pytest.mark.parametrize("make", [a_pipe, a_device, a_socket])
@pytest.mark.parametrize(
    "read",
    [read_lines, formats.read, open_video, lambda path: len(open_video(path))],
    ids=["lines", "boxes", "video", "frames"],
)
def test_other_files_too(make, read, tmp_path):
    make(tmp_path / "walk.mp4")
    with pytest.raises(BadInput, match=r"walk\.mp4"):
        read(tmp_path / "walk.mp4")


def test_a_pipe_among_videos_is_named_and_left_out(tmp_path, caplog):
    (tmp_path / "walk").mkdir()
    cv2.imwrite(str(tmp_path / "walk" / "0.png"), np.zeros((8, 8, 3), np.uint8))
    os.mkfifo(tmp_path / "pipe.mp4")
    assert VideoFolder(tmp_path).sequence_list == ["walk"]
    assert "pipe.mp4" in caplog.text


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(width: int, height: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("make", [png, jpeg, bmp])
def test_a_header_that_asks_for_gigabytes_is_refused(make, reader, tmp_path):
    (tmp_path / "0001.img").write_bytes(make(HUGE, HUGE))
    with pytest.raises(BadValue, match=f"{HUGE}x{HUGE} pixels.*{reading.PIXELS_VARIABLE}"):
        READERS[reader](tmp_path / "0001.img")


def test_a_label_image_that_asks_for_gigabytes_is_refused(tmp_path):
    (tmp_path / "0001.png").write_bytes(png(HUGE, HUGE))
    with pytest.raises(BadValue, match=f"{HUGE}x{HUGE} pixels"):
        imread_indexed(tmp_path / "0001.png")


def test_the_limit_can_be_set(tmp_path, monkeypatch):
    path = tmp_path / "0001.png"
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    monkeypatch.setenv(reading.PIXELS_VARIABLE, "600")
    assert default_image_loader(path).shape == (20, 30, 3)
    monkeypatch.setenv(reading.PIXELS_VARIABLE, "599")
    with pytest.raises(BadValue, match="30x20 pixels, more than 599"):
        default_image_loader(path)
    monkeypatch.setenv(reading.PIXELS_VARIABLE, "many")
    with pytest.raises(BadValue, match="give a whole number"):
        default_image_loader(path)
