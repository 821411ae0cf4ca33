"""Damage within the pictures of a video is told once and known by frame; sound files never are."""

import random

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.source import FrameSource
from ltr.frames.video_file import VideoFile
from ltr.frames.wrappers import OneSize
from spot_ext.check import check_dataset

av = pytest.importorskip("av", reason="video files need the package av")

COUNT, WIDTH, HEIGHT = 40, 160, 120
DAMAGED_BYTES, STEP = 40, 3


def write(path, codec: str, **options: str):
    """Write a video whose pictures do not compress well, so that most of the file is pictures."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = 8
        for number in range(COUNT):
            image = np.roll(noise, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def damage(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for number in range(DAMAGED_BYTES):
        data[middle + STEP * number] ^= 0x5A
    path.write_bytes(data)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("mpeg4", ".avi")])
def test_damage_is_told_once_and_known_by_frame(codec, suffix, tmp_path, caplog):
    path = write(tmp_path / f"walk{suffix}", codec)
    damage(path)
    video = VideoFile(path)
    frames = [video.read(number) for number in range(len(video))]
    # A packet that is damaged at its start may give no picture at all.
    assert COUNT - 1 <= len(frames) <= COUNT
    damaged = [number for number in range(COUNT) if video.damage(number)]
    assert damaged and damaged[0] > 0
    told = [record.getMessage() for record in caplog.records if "is damaged" in record.message]
    assert len(told) == 1 and str(path) in told[0] and f"frame {damaged[0]}" in told[0]


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"x264-params": "open-gop=1:bframes=2"}),
        ("libx264", ".ts", {}),
        ("mpeg4", ".avi", {"bf": "2"}),
        ("libvpx-vp9", ".webm", {"deadline": "realtime"}),
    ],
    ids=["open groups", "a stream", "avi", "webm"],
)
def test_sound_videos_are_not_called_damaged_in_any_order(codec, suffix, options, tmp_path, caplog):
    video = VideoFile(write(tmp_path / f"walk{suffix}", codec, **options))
    order = list(range(len(video)))
    jumps = random.Random(0).sample(order, 12)
    for number in [*order, *jumps, 0, *order]:
        video.read(number)
    assert not any(video.damage(number) for number in order)
    assert "damaged" not in caplog.text


def test_check_with_decode_counts_damaged_frames(tmp_path):
    damage(write(tmp_path / "walk.mp4", "libx264"))
    write(tmp_path / "sound.mp4", "libx264")
    report = check_dataset("folder", tmp_path, decode=True)
    (finding,) = report.problems
    assert finding.sequence == "walk" and "walk.mp4: frame" in str(finding.examples[0])


def test_a_damaged_frame_that_cannot_be_decoded_stays_a_sentence(tmp_path):
    path = write(tmp_path / "walk.mp4", "libx264")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match=r"walk\.mp4"):
        VideoFile(path).read(0)


class _Frames(FrameSource):
    """Frames of the sizes (width, height) given."""

    def __init__(self, *sizes: tuple[int, int]):
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def read(self, frame_id: int) -> np.ndarray:
        width, height = self.sizes[frame_id]
        return np.zeros((height, width, 3), np.uint8)


def test_a_size_that_changes_midway_is_refused_with_both_frames():
    video = OneSize(_Frames((160, 120), (160, 120), (80, 60)), "walk")
    assert [video.read(number).shape[:2] for number in (0, 1)] == [(120, 160)] * 2
    with pytest.raises(BadValue, match="walk: frame 2 has 80x60 pixels, frame 0 has 160x120"):
        video.read(2)
