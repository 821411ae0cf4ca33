"""Frame i of a video file is the i-th picture of a plain sequential decode, for every container."""

import itertools
import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.opening import open_source
from ltr.frames.streams import open_stream
from ltr.frames.video_file import VideoFile

av = pytest.importorskip("av", reason="video files need the extra 'video'")

COUNT, WIDTH, HEIGHT, RATE = 34, 64, 48, 25
CONTAINERS = ("mp4", "mkv", "webm", "avi", "mov", "ts", "mpg", "wmv", "flv", "nut")
CODECS = ("libx264", "libx265", "libvpx-vp9", "libvpx", "mpeg4", "mpeg2video", "mjpeg", "libsvtav1")
B_FRAMES = (0, 1, 2, 3)
GROUPS = ("closed", "open")


def picture(number: int) -> np.ndarray:
    """A picture that differs from its neighbours; RGB."""
    image = np.full((HEIGHT, WIDTH, 3), 5 * number % 200, np.uint8)
    image[:, number % WIDTH] = (255, 0, 40)
    return image


def codec_options(codec: str, b_frames: int, group: str) -> dict[str, str]:
    is_open = int(group == "open")
    if codec == "libx264":
        return {"x264-params": f"open-gop={is_open}:bframes={b_frames}:b-adapt=0"}
    if codec == "libx265":
        return {
            "x265-params": f"open-gop={is_open}:bframes={b_frames}:b-adapt=0:log-level=none:pools=1"
        }
    if codec in ("mpeg4", "mpeg2video"):
        return {"bf": str(b_frames), **({} if is_open else {"flags": "+cgop"})}
    if codec == "libvpx":
        # pictures that are never shown are packets of their own in VP8
        return {"auto-alt-ref": str(int(b_frames > 0)), "lag-in-frames": "10", "deadline": "good"}
    return {}


def write(path: Path, codec: str, b_frames: int = 2, group: str = "closed", times=None) -> Path:
    """Write a video; skips where this PyAV cannot."""
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                codec, rate=RATE, options=codec_options(codec, b_frames, group)
            )
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            if codec == "mjpeg":
                stream.pix_fmt = "yuvj420p"
            stream.gop_size = 8
            for number in range(COUNT):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = int(times[number]), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV cannot write {codec} into {path.suffix}: {error}")
    return path


def plain_decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def differences(source, expected: list[np.ndarray]) -> list[int]:
    """Read in several orders; returns the frames that are another picture."""
    count = len(expected)
    shuffled = random.Random(0).choices(range(count), k=60)
    order = [*range(count), *reversed(range(count)), *shuffled]
    return [i for i in order if not np.array_equal(source.read(i), expected[i])]


def check_against_plain_decode(path: Path) -> None:
    try:
        expected = plain_decode(path)
    except (av.FFmpegError, IndexError) as error:
        # IndexError: the container says nothing of a video
        pytest.skip(f"this PyAV cannot read it: {error}")
    source = open_source(path)
    assert len(source) == len(expected)
    assert differences(source, expected) == []


PAIRS = list(itertools.product(CONTAINERS, CODECS, B_FRAMES, GROUPS))
# a container of each kind with the codecs and groups that were read wrong or may be
USUAL = [
    ("avi", "libx264", 2, "closed"),
    ("avi", "libx264", 3, "open"),
    ("avi", "mpeg4", 2, "open"),
    ("mp4", "libx264", 3, "open"),
    ("mp4", "libx265", 2, "open"),
    ("mkv", "libx265", 3, "open"),
    ("mov", "mpeg4", 1, "closed"),
    ("webm", "libvpx-vp9", 0, "closed"),
    ("mkv", "libvpx", 2, "closed"),
    ("ts", "libx264", 2, "open"),
    ("ts", "mpeg2video", 2, "open"),
    ("mpg", "mpeg2video", 2, "closed"),
]


@pytest.mark.parametrize(("container", "codec", "b_frames", "group"), USUAL)
def test_frame_i_is_the_i_th_picture(tmp_path, container, codec, b_frames, group):
    check_against_plain_decode(write(tmp_path / f"a.{container}", codec, b_frames, group))


@pytest.mark.slow
@pytest.mark.parametrize(("container", "codec", "b_frames", "group"), PAIRS)
def test_frame_i_is_the_i_th_picture_of_every_pair(tmp_path, container, codec, b_frames, group):
    check_against_plain_decode(write(tmp_path / f"a.{container}", codec, b_frames, group))


def without_first_packets(path: Path, target: Path, dropped: int) -> Path:
    """Copy the packets from number `dropped` on: a clip that begins within a group of pictures."""
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        out = container.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.size and number >= dropped:
                packet.stream = out
                container.mux(packet)
    return target


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
@pytest.mark.parametrize("suffix", ["ts", "mkv", "mp4"])
@pytest.mark.parametrize("dropped", [1, 3, 8, 9, 11])
def test_a_clip_that_begins_within_a_group(tmp_path, suffix, codec, group, dropped):
    whole = write(tmp_path / "whole.mkv", codec, 3, group)
    try:
        clip = without_first_packets(whole, tmp_path / f"clip.{suffix}", dropped)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"cannot be written: {error}")
    check_against_plain_decode(clip)


def test_a_transport_stream_cut_anywhere(tmp_path):
    data = write(tmp_path / "whole.ts", "libx264", 3, "open").read_bytes()
    packets = len(data) // 188
    for share in (0.1, 0.35, 0.6):
        start = int(packets * share) * 188
        (tmp_path / "cut.ts").write_bytes(data[start:])
        check_against_plain_decode(tmp_path / "cut.ts")


def test_pictures_of_a_variable_rate_and_of_a_late_start_are_a_whole_video(tmp_path):
    steps = np.random.default_rng(0).integers(10, 400, COUNT)
    cases = {
        "vfr.mkv": np.cumsum(steps),
        "vfr.mp4": np.cumsum(steps),
        "late.mkv": 500_000 + 40 * np.arange(COUNT),
        "late.ts": 500_000 + 40 * np.arange(COUNT),
        "still.mkv": np.append(40 * np.arange(COUNT - 1), 9000),
    }
    for name, times in cases.items():
        path = write(tmp_path / name, "libx264", 2, "closed", times)
        check_against_plain_decode(path)
        with open_stream(path) as stream:
            while stream.read() is not None:
                pass
            stream.check_complete()


@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("suffix", ["mkv", "avi", "webm", "faststart.mp4", "faststart.mov"])
def test_a_file_that_ends_early_is_told(tmp_path, suffix, share):
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    whole = tmp_path / f"whole.{suffix}"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(4 * COUNT):
            image = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    data = whole.read_bytes()
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadInput, match=r"half\..* is truncated: it ends after"):
        len(open_source(half))
    partial = VideoFile(half, partial=True)
    for frame_id in (0, len(partial) - 1):
        assert partial.read(frame_id).shape == (HEIGHT, WIDTH, 3)
    assert 0 < len(partial) < 4 * COUNT
    len(open_source(whole))


# a, b, c, d of the display matrix -> what a player shows of an image
MATRICES = {
    "zeros": ((0, 0, 0, 0), lambda image: image),
    "slanted": ((0.7, 0.7, -0.7, 0.7), lambda image: image),
    "as it is": ((1, 0, 0, 1), lambda image: image),
    "90": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "180": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "270": ((0, -1, 1, 0), lambda image: np.rot90(image)),
    "mirrored left and right": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored up and down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "mirrored and turned": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "mirrored and turned the other way": (
        (0, -1, -1, 0),
        lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    ),
}


@pytest.mark.parametrize(("matrix", "shown"), MATRICES.values(), ids=MATRICES)
def test_pictures_stand_as_players_show_them(tmp_path, matrix, shown):
    path = write(tmp_path / "a.mp4", "libx264", 0)
    expected = shown(plain_decode(path)[3])
    content, one = path.read_bytes(), 1 << 16
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    place = content.index(identity, content.index(b"tkhd"))
    a, b, c, d = (int(one * value) for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:place] + turned + content[place + 36 :])
    assert np.array_equal(open_source(path).read(3), expected)
    with open_stream(path) as stream:
        frames = [stream.read() for _ in range(4)]
    assert np.array_equal(frames[3], expected)


def test_a_video_without_pictures_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    with pytest.raises(BadValue, match=r"a\.mkv"):
        len(open_source(tmp_path / "a.mkv"))
