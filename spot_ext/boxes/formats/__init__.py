"""Reading and writing boxes in the file formats people have; `FORMATS` lists them.

    boxes = read("few.csv")                        # the format is guessed, or give its name
    write(boxes, "boxes.xml", "cvat")

A format is one module of this folder that defines a `FORMAT`; nothing else is needed to add one.
What each holds and loses is in docs/formats.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, MissingFile, in_short, suggestion
from ltr.frames.names import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from ltr.io import outputs
from ltr.io.reading import require_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.checks import check_videos
from spot_ext.boxes.formats.infos import ReadOptions, VideoInfo, complete, infos_of
from spot_ext.boxes.formats.registry import Format, find_formats
from spot_ext.boxes.track import VideoBoxes

__all__ = [
    "FORMATS",
    "ReadOptions",
    "VideoInfo",
    "check_name",
    "check_suffix",
    "complete",
    "guess",
    "infos_of",
    "read",
    "write",
]

# name -> format, in the order in which `guess` asks them
FORMATS: Mapping[str, Format] = find_formats(__name__, __path__)


def read(
    path: str | os.PathLike,
    format: str | None = None,
    videos: Mapping | object | None = None,
    options: ReadOptions | None = None,
) -> list[VideoBoxes]:
    """Boxes of all videos in a file or folder, in the order in which it names them.

    `format` is a name in FORMATS; None guesses it from the name and the content. `videos` says what
    is known of the videos: a `VideoFolder`, the path of such a folder, or a mapping from a video's
    name to a `VideoInfo` or to (frame_count, (width, height)). With it names are matched
    (`walk.mp4` is the video `walk`), frame numbers are checked against the number of frames, and
    relative boxes (YOLO, Label Studio) get their size where the file does not say it. Videos of the
    file that are not among `videos` are kept; when none is among them, that is an error.

    `options` decides what a file leaves open: from which number it counts frames, and what to do
    where it was made for a video of another length or size.

    A file that does not say who drew a box counts as drawn by a person where its confidence is 1 or
    not given. Raises MissingFile, or BadValue: one sentence with file and line or field.
    """
    path = Path(path)
    outputs.note_input(path)
    if not path.exists():
        raise MissingFile(f"there is no file or folder {path} with boxes; correct the path")
    if not path.is_dir():
        require_file(path)
    infos = infos_of(videos).with_options(options or ReadOptions())
    if format is None:
        format = guess(path)
    reader = _format(format)
    try:
        return infos.matched(reader.read(path, infos), path)
    except UnicodeDecodeError as error:
        raise BadValue(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    except BadInput:
        raise
    # A file in the folder that may not be read, or a name in it that no file can have.
    except OSError as error:
        place = in_short(error.filename or path)
        raise BadValue(
            f"{path}: {place} cannot be read ({error.strerror}); correct its name or its rights"
        ) from None


def write(
    videos: Sequence[VideoBoxes],
    path: str | os.PathLike,
    format: str,
    known: Mapping | object | None = None,
) -> list[Path]:
    """Write `videos` in the format of that name; returns the files written, each whole or not at
    all.

    `path` is a file, or a folder where the format has a file a video or frame. `known` is what
    `read` takes as `videos`: it fills in sizes, numbers of frames and names of images where
    `videos` lack them (YOLO and Label Studio need sizes). Raises BadValue for boxes that are no
    boxes, for names that cannot be written, and for what a format has no place for and cannot leave
    out.
    """
    writer = _format(format)
    infos = infos_of(known)
    videos = [complete(video, infos) for video in videos]
    check_videos(videos)
    return writer.write(videos, Path(path), infos)


def guess(path: str | os.PathLike) -> str:
    """Name of the format of a file or folder, by its name and content. Raises BadValue where no
    format fits.
    """
    place = Candidate(Path(path))
    for name, candidate_format in FORMATS.items():
        if candidate_format.looks_like(place):
            return name
    raise BadValue(
        f"{path}: its format is not recognised; give one with --from: {', '.join(FORMATS)}"
    )


def check_name(format: str) -> None:
    """Raise BadValue for a format that is not there, with the nearest name."""
    if format not in FORMATS:
        raise BadValue(
            f"the format '{format}' is not known{suggestion(format, FORMATS)}; choose one of "
            f"{', '.join(FORMATS)}"
        )


def check_suffix(path: Path, format: str) -> None:
    """Raise BadValue for a file whose suffix is that of another format, or of a video."""
    own = FORMATS[format].suffixes
    others = {suffix for item in FORMATS.values() for suffix in item.suffixes}
    others.update(VIDEO_SUFFIXES, IMAGE_SUFFIXES)
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in own or suffix not in others:
        return
    advice = f"end it with {own[0]}" if own else "name a folder"
    raise BadValue(f"{path}: {suffix} is not the suffix of a file in the format {format}; {advice}")


def _format(name: str) -> Format:
    check_name(name)
    return FORMATS[name]
