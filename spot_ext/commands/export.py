"""The verb `export`: write boxes of any format that is read here in any other."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.admin.places import input_place, output_tree
from spot_ext.commands import verb

# Not a format that can be read back, so it is none of `spot_ext.boxes.formats`.
FILM = "video"
FORMATS = """formats:
  csv          video,object,frame,x,y,w,h,confidence,human,label
  coco         COCO JSON with videos and tracks; also reads plain COCO, TAO, YouTube-VIS
  cvat         CVAT for video 1.1 (XML): PLACE.xml for all videos, or a folder: a file a video
  labelstudio  Label Studio tasks with VideoRectangle regions; sizes needed
  mot          MOTChallenge: <video>/gt/gt.txt with seqinfo.ini, or PLACE.txt for one video
  yolo         labels/<video>/<frame>.txt, classes.txt, data.yaml; sizes needed
  got10k       <video>/groundtruth.txt, absence.label, cover.label, meta_info.ini, list.txt
  lasot        <class>/<class>-<number>/groundtruth.txt, full_occlusion.txt, out_of_view.txt
  keyframes    the JSON of key frames that `sample` writes and `train` reads
  video        films with the boxes drawn in: PLACE.mp4 of one video, or a folder: a film a video

docs/formats.md says what each of them holds and what it cannot.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `export`."""
    parser.add_argument(
        "boxes",
        type=input_place,
        metavar="BOXES",
        help="output folder of `label`, or a file or folder of boxes",
    )
    parser.add_argument(
        "--format", required=True, metavar="NAME", help="format to write, see below"
    )
    parser.add_argument(
        "--out", type=output_tree, required=True, metavar="PLACE", help="file or folder to write"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="NAME",
        help="format of BOXES; default: recognised by itself",
    )
    parser.add_argument(
        "--videos",
        type=input_place,
        metavar="FOLDER",
        help="folder of the videos: gives sizes and numbers of frames where BOXES does not say "
        "them; "
        "default: the folder that `label` was given",
    )
    parser.add_argument(
        "--first-frame",
        type=int,
        choices=(0, 1),
        help="number of the first frame in names of images or in frame_id; default: found out",
    )
    parser.add_argument(
        "--mismatch",
        choices=("refuse", "scale", "ignore"),
        default="refuse",
        help="where BOXES was made for a video of another length or size: refuse it (default), "
        "scale boxes and convert frames by time, or ignore it and keep the numbers",
    )
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")


@verb(
    "export",
    "Write boxes in another format. BOXES is what `label` wrote, or a file or folder in any of "
    "the formats below, so this also converts between them.",
    examples=[
        "export labelled --format cvat --out cvat   # labelled: what `label` wrote",
        "toy --out videos",
        "export videos/val --format coco --out boxes.json --videos videos/val",
    ],
    arguments=add_arguments,
    notes=FORMATS,
)
def run(options: argparse.Namespace) -> None:
    """Read the boxes, write them, and say what was written."""
    from spot_ext.boxes import formats

    if options.format == FILM:
        _export_films(options)
        return
    # Before the videos are opened.
    formats.check_name(options.format)
    formats.check_suffix(options.out, options.format)
    known = formats.infos_of(options.videos or _labelled_videos(options.boxes))
    reading = formats.ReadOptions(options.first_frame, options.mismatch)
    videos = formats.read(options.boxes, options.source, known, reading)
    files = formats.write(videos, options.out, options.format, known)
    if options.json:
        sys.stdout.write(
            json.dumps(
                {
                    "format": options.format,
                    "out": str(options.out),
                    "videos": [_counts(v) for v in videos],
                    "files": [str(file) for file in files],
                },
                indent=2,
                ensure_ascii=False,
            )
            + "\n"
        )
        return
    counts = [_counts(video) for video in videos]
    total = {key: sum(item[key] for item in counts) for key in ("objects", "boxes", "absent")}
    sys.stdout.write(
        f"{_many(len(videos), 'video')}, {_many(total['objects'], 'object')}, "
        f"{_many(total['boxes'], 'box')}, "
        f"{_many(total['absent'], 'absence')}: {options.out} ({options.format}, "
        f"{_many(len(files), 'file')})\n"
    )


def _export_films(options: argparse.Namespace) -> None:
    """Write films of the boxes, and say which."""
    from ltr.dataset.video_folder import VideoFolder
    from spot_ext.boxes import formats
    from spot_ext.propagate.film import write_films

    place = options.videos or _labelled_videos(options.boxes)
    if place is None:
        raise BadValue("a film needs the videos; give their folder with --videos")
    folder = VideoFolder(place.expanduser())
    reading = formats.ReadOptions(options.first_frame, options.mismatch)
    videos = formats.read(options.boxes, options.source, folder, reading)
    files = write_films(videos, folder, options.out)
    if options.json:
        summary = {"format": FILM, "out": str(options.out), "files": [str(file) for file in files]}
        sys.stdout.write(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        return
    sys.stdout.write("".join(f"film: {file}\n" for file in files))


def _labelled_videos(folder: Path) -> Path | None:
    """The videos of which `label` wrote the boxes in `folder`; None where that is not known, or
    they are gone.
    """
    try:
        videos = Path(
            json.loads((folder / "label.json").read_text(encoding="utf-8"))["settings"]["folder"]
        )
        return videos if videos.is_dir() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "es" if what == "box" else "s")


def _counts(video) -> dict:
    absent = sum(int(item.absent.sum()) for item in video.objects)
    return {
        "video": video.video,
        "objects": len(video.objects),
        "absent": absent,
        "boxes": sum(len(item.frame_ids) for item in video.objects) - absent,
    }
