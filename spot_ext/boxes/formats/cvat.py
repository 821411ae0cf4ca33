"""CVAT for video 1.1: XML with a track an object.

Frames count from 0. A box with `outside="1"` says that the object is not seen from there to the
next key frame. What CVAT loads are the boxes with `keyframe="1"`; between them it draws straight
lines. So a written box is a key frame where a person drew it, where the object comes or goes, and
where the lines would be more than a pixel off. Every box is in the file, and `confidence` and
`human` are further attributes, which CVAT passes over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_write
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.checks import check_folder_names
from spot_ext.boxes.formats.cvat_reader import NO_LABEL, read_file
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.numbers import to_text
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.straight_lines import kinks
from spot_ext.boxes.formats.table import BoxTable
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

TOLERANCE = 1.0  # pixels by which CVAT's lines between the key frames may miss a box


def looks_like(place: Candidate) -> bool:
    """An XML file, or a folder with some."""
    return (
        place.suffix == ".xml"
        or place.first_line.startswith(("<?xml", "<annotations"))
        or place.holds("*.xml")
    )


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Tracks of a file, or of all XML files of a folder."""
    table = BoxTable(path, infos)
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise BadValue(f"{path}: no XML file in this folder; give the file annotations.xml of CVAT")
    for file in files:
        read_file(file, table)
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """A folder, or a path without `.xml`, gets a file a video, as tasks of CVAT take them; else one
    file holds them all.
    """
    if path.suffix.lower() == ".xml" and not path.is_dir():
        with (
            atomic_write(path) as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            file.writelines(_document(videos))
        return [path]
    check_folder_names(videos)
    return [write([video], path / f"{video.video}.xml", infos)[0] for video in videos]


def _document(videos: Sequence[VideoBoxes]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n'
    if len(videos) == 1:
        yield from _task(videos[0], 1, _labels(videos))
    else:
        yield f"<project>\n<name>videos</name>\n{_labels(videos)}<tasks>\n"
        for number, video in enumerate(videos, 1):
            yield from _task(video, number, "")
        yield "</tasks>\n</project>\n"
    yield "</meta>\n"
    track_id = 0
    for number, video in enumerate(videos, 1):
        task = f' task_id="{number}"' if len(videos) > 1 else ""
        for item in video.objects:
            if len(item.frame_ids):  # CVAT fails on a track without boxes
                yield from _track(item, track_id, task)
                track_id += 1
    yield "</annotations>\n"


def _task(video: VideoBoxes, number: int, labels: str) -> Iterator[str]:
    yield f"<task>\n<id>{number}</id>\n<name>{escape(video.video)}</name>\n"
    if video.frame_count is not None:
        yield (
            f"<size>{video.frame_count}</size>\n<start_frame>0</start_frame>\n"
            f"<stop_frame>{video.frame_count - 1}</stop_frame>\n"
        )
    yield f"<mode>interpolation</mode>\n{labels}"
    if video.size is not None:
        width, height = video.size
        size = f"<width>{width}</width><height>{height}</height>"
        yield f"<original_size>{size}</original_size>\n"
    yield "</task>\n"


def _labels(videos: Sequence[VideoBoxes]) -> str:
    names = dict.fromkeys(item.label or NO_LABEL for video in videos for item in video.objects)
    rows = "".join(
        f"<label><name>{escape(name)}</name><type>rectangle</type><attributes></attributes></label>\n"
        for name in names
    )
    return f"<labels>\n{rows}</labels>\n"


def _track(item: ObjectTrack, track_id: int, task: str) -> Iterator[str]:
    source = "manual" if item.human.all() else "auto"
    unnamed = "" if item.label else ' unlabelled="1"'
    yield (
        f'<track id="{track_id}" label={quoteattr(item.label or NO_LABEL)} source="{source}"{task} '
        f"object={quoteattr(item.object_id)}{unnamed}>\n"
    )
    keys = _key_frames(item)
    boxes = _carried(item.boxes_xywh, item.absent)
    rows = zip(
        item.frame_ids.tolist(),
        boxes.tolist(),
        item.absent.tolist(),
        item.confidences.tolist(),
        item.human.tolist(),
        keys.tolist(),
        strict=True,
    )
    for frame_id, (x, y, w, h), absent, confidence, human, key in rows:
        corners = " ".join(
            f'{name}="{to_text(value)}"'
            for name, value in (("xtl", x), ("ytl", y), ("xbr", x + w), ("ybr", y + h))
        )
        yield (
            f'<box frame="{frame_id}" keyframe="{int(key)}" outside="{int(absent)}" occluded="0" '
            f'{corners} z_order="0" '
            f'confidence="{to_text(confidence)}" human="{int(human)}"></box>\n'
        )
    yield "</track>\n"


def _key_frames(item: ObjectTrack) -> np.ndarray:
    """(T,) bool: the boxes that CVAT needs to be given."""
    absent = item.absent
    keys = item.human.copy()
    keys[:1] = True
    keys[1:] |= absent[1:] != absent[:-1]
    keys[:-1] |= (
        ~absent[:-1] & absent[1:]
    )  # the last box before an absence: no line leads into the absence
    for start, stop in _runs(~absent):
        fixed = keys[start:stop]
        fixed[[0, -1]] = True
        boxes = item.boxes_xywh[start:stop]
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        fixed |= kinks(item.frame_ids[start:stop], corners, fixed, TOLERANCE)
    return keys


def _runs(flags: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and stop of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _carried(boxes: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """`boxes` with the last box before an absence, or else the first one after it, in place of NaN:
    CVAT wants a place.
    """
    present = np.flatnonzero(~absent)
    if not len(present):
        return np.tile([0.0, 0.0, 1.0, 1.0], (len(boxes), 1))
    source = present[
        np.maximum(np.searchsorted(present, np.arange(len(boxes)), side="right") - 1, 0)
    ]
    return boxes[source]


FORMAT = Format(
    name="cvat",
    text="CVAT for video 1.1, XML: one task, a project, or a folder with a file a video",
    order=50,
    looks_like=looks_like,
    read=read,
    write=write,
    suffixes=(".xml",),
)
