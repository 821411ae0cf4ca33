"""Frame numbers out of names of image files, and names for the frames of a video.

A number in a name may count from 0 or from 1. What decides, in this order: the names of the video's
own images; the caller (`ReadOptions.first_frame`); a name with number 0; a number that no video of
this length has from 0; the marks by which a program's names are known; a name with number 1. Where
nothing decides, the file is refused with both readings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats.infos import VideoInfo

_IMAGES = "jpg|jpeg|png|bmp|webp|tif|tiff"
_VIDEOS = "mp4|mov|avi|mkv|webm|m4v|mpg|mpeg|ts|mts|m2ts|wmv|flv"

# `walk_mp4-0010_jpg.rf.3fa9c1d27be04a65` is frame 10 of walk.mp4, from Roboflow.
_ROBOFLOW = re.compile(rf"(?P<name>.+?)_(?:{_IMAGES})\.rf\.[0-9A-Za-z]+", re.IGNORECASE)
_ROBOFLOW_VIDEO = re.compile(rf"(?P<video>.+)_(?:{_VIDEOS})-(?P<number>\d+)", re.IGNORECASE)

# `1a2b3c4d-frame_000010` is an upload to Label Studio; a whole UUID may stand there as well.
_UPLOAD = re.compile(r"(?:[0-9a-f]{8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(?P<name>.+)")

# `frame_000005`, `frame5`: CVAT and programs that take videos apart count from 0.
_FRAME = re.compile(r"frame[_\- ]?(?P<number>\d+)", re.IGNORECASE)

# `walk_12`: Ultralytics' name of a frame of walk.mp4; it counts from 1.
_VIDEO_AND_NUMBER = re.compile(r"(?P<video>.+)_(?P<number>\d+)")

_NUMBER = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"(\d+)\D*$")

# Digits of the names in GOT-10k and LaSOT, 00000001.jpg, which count from 1.
_DIGITS_OF_DATA_SETS = 8


@dataclass(frozen=True)
class FrameName:
    """The parts of one image's name."""

    number: int | None  # None: the name holds none
    first: int | None = None  # number of the first frame, where a program is known by the name
    video: str = ""  # the video's name, where the image's name holds it
    program: str = ""


def parse_name(name: str, folder: str = "") -> FrameName:
    """Read the name of an image or of its label file; `folder` is the one it lies in."""
    text = _stem(name)
    roboflow = _ROBOFLOW.fullmatch(text)
    if roboflow:
        return _parse_roboflow(roboflow["name"])
    upload = _UPLOAD.fullmatch(text)
    if upload:
        text = upload["name"]
    frame = _FRAME.fullmatch(text)
    if frame:
        return FrameName(int(frame["number"]), 0, program="CVAT")
    if _NUMBER.fullmatch(text):
        if folder == "img1":
            return FrameName(int(text), 1, program="MOTChallenge")
        if len(text) == _DIGITS_OF_DATA_SETS:
            return FrameName(int(text), 1, program="GOT-10k")
        return FrameName(int(text))
    named = _VIDEO_AND_NUMBER.fullmatch(text)
    if named:
        return FrameName(int(named["number"]), None, named["video"])
    number = _LAST_NUMBER.search(text)
    return FrameName(None if number is None else int(number[1]))


def frames_by_name(
    names: Iterable[str],
    info: VideoInfo,
    where: str,
    first_frame: int | None = None,
    usual_first: int | None = None,
) -> dict[str, int]:
    """Return the frame (0-based) of each image name of one video.

    `first_frame` is the number that the caller says the first frame has; `usual_first` that of
    files like this one, where the names themselves say no program.
    """
    names = list(names)
    if info.frame_names is not None:
        return _places_among_images(names, info.frame_names, where)
    parsed = {name: parse_name(name, _folder(name)) for name in names}
    numbers = {}
    for name, parts in parsed.items():
        if parts.number is None:
            raise BadValue(
                f"{where}: '{name}' has no number that could be its frame; give the folder of the "
                "videos with --videos"
            )
        numbers[name] = parts.number
    if not numbers:
        return {}
    marks = {parts.first for parts in parsed.values()}
    if len(marks) == 1 and None not in marks:
        usual_first = marks.pop()
    first = first_number(
        numbers.values(), info.frame_count, f"{where}: '{names[0]}'", first_frame, usual_first
    )
    return {name: number - first for name, number in numbers.items()}


def first_of_file(names: Iterable[str]) -> int | None:
    """Return from where all names of a file count, by the lowest: 0 or 1; None for a higher one.

    One program wrote them, so what is known of one video is known of the others.
    """
    parsed = [parse_name(name, _folder(name)).number for name in names]
    numbers = [number for number in parsed if number is not None]
    lowest = min(numbers, default=None)
    return lowest if lowest in (0, 1) else None


def first_number(
    numbers: Collection[int],
    frame_count: int | None,
    where: str,
    first_frame: int | None = None,
    usual_first: int | None = None,
) -> int:
    """Return the number that the first frame of a video has in a file: 0 or 1.

    Raises BadValue with both readings where nothing decides.
    """
    if first_frame is not None:
        return first_frame
    lowest, highest = min(numbers), max(numbers)
    if lowest == 0:
        return 0
    if frame_count is not None and highest >= frame_count:
        return 1
    if usual_first is not None:
        return usual_first
    if lowest == 1:
        return 1
    raise BadValue(
        f"{where} and the others, numbers {lowest} to {highest}, may count from 0 (frame "
        f"{lowest} is meant) or from 1 (frame {lowest - 1} is meant) and nothing in the file says "
        "which; convert it with `export --first-frame 0` or `export --first-frame 1`"
    )


def frame_name(frame_id: int, info: VideoInfo, suffix: str = ".jpg") -> str:
    """Return a file name for a frame: that of its image, else six digits that count from 1."""
    if info.frame_names is not None and frame_id < len(info.frame_names):
        name = info.frame_names[frame_id]
        return name if suffix == ".jpg" else _stem(name) + suffix
    return f"{frame_id + 1:06d}{suffix}"


def _parse_roboflow(name: str) -> FrameName:
    video = _ROBOFLOW_VIDEO.fullmatch(name)
    if video:
        return FrameName(int(video["number"]), 0, video["video"], "Roboflow")
    inner = parse_name(name)
    return FrameName(inner.number, inner.first, inner.video, "Roboflow")


def _places_among_images(
    names: list[str], frame_names: tuple[str, ...], where: str
) -> dict[str, int]:
    frames = {_stem(name): frame_id for frame_id, name in enumerate(frame_names)}
    found = {}
    for name in names:
        text = _stem(name)
        roboflow = _ROBOFLOW.fullmatch(text)
        upload = _UPLOAD.fullmatch(text)
        spellings = [text]
        if roboflow:
            spellings.append(roboflow["name"])
        if upload:
            spellings.append(upload["name"])
        places = [frames[spelling] for spelling in spellings if spelling in frames]
        if not places:
            raise BadValue(
                f"{where}: '{name}' is none of the video's {len(frames)} images, such as "
                f"'{frame_names[0]}'; correct the name or give the folder that belongs to the file"
            )
        found[name] = places[0]
    return found


def _folder(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).parent.name


def _stem(name: str) -> str:
    """Return the last part of a path without the suffix of an image or a label file."""
    last = PurePosixPath(name.replace("\\", "/")).name
    base, dot, suffix = last.rpartition(".")
    is_suffix = suffix.lower() in (*_IMAGES.split("|"), "txt")
    return base if dot and base and is_suffix else last
