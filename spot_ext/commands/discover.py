"""The verb `discover`: find targets in videos without labels."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ltr.admin.arguments import FRAMES, LABELS_OF_A_VIDEO, PIXELS, SHARE
from ltr.admin.errors import BadValue, MissingFile
from ltr.admin.places import input_name, input_place, output_folder, require_output
from spot_ext.commands import verb
from spot_ext.commands.sample import DATASETS, count_frames, open_named

MODES = ("motion", "det", "mot")
TEXT = """Find objects in videos without boxes and write them as labels for the second stage of
training, with a picture of the best and the worst.

  motion  what moves on its own, against the camera's motion, followed by optical flow
  mot     what a detector finds, followed by optical flow
  det     the same, but only the most trusted box of each target is kept

The detector is one of torchvision's, whose weights lie in `pretrained_networks` of
ltr/admin/local.py, or any: --detections takes a COCO JSON file, a MOT text, or a folder of MOT
texts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `discover`."""
    parser.add_argument(
        "videos",
        type=input_name,
        metavar="VIDEOS",
        help="folder of videos (sub-folders of images, video files), one video "
        f"file, or a data set: {', '.join(DATASETS)}",
    )
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument(
        "--out",
        type=output_folder,
        required=True,
        metavar="DIR",
        help="folder for the label file and the picture",
    )
    parser.add_argument(
        "--root",
        type=input_place,
        help="folder of a data set that is named; default: the one in ltr/admin/local.py",
    )
    parser.add_argument("--split", help="its split")
    parser.add_argument(
        "--detections",
        type=input_place,
        metavar="FILE",
        help="boxes of a detector, instead of torchvision's",
    )
    parser.add_argument(
        "--detector",
        metavar="NAME",
        help="one of torchvision's, by its name; default: the one that is there",
    )
    parser.add_argument(
        "--every",
        type=FRAMES,
        default=1,
        metavar="N",
        help="run the detector on every N-th frame (1)",
    )
    parser.add_argument(
        "--least-score", type=SHARE, default=0.5, help="detections below are not looked at (0.5)"
    )
    parser.add_argument(
        "--boxes",
        type=LABELS_OF_A_VIDEO,
        metavar="N",
        help="keep the N most trusted boxes of a target, spread over its "
        "path; default: 1 with det, all otherwise",
    )
    parser.add_argument(
        "--targets", type=LABELS_OF_A_VIDEO, metavar="N", help="targets of one video, at most (10)"
    )
    parser.add_argument(
        "--least-quality",
        type=SHARE,
        metavar="Q",
        help="0..1, higher keeps fewer and better targets (0.3)",
    )
    parser.add_argument(
        "--least-frames", type=FRAMES, metavar="N", help="frames that a target must be seen in (6)"
    )
    parser.add_argument(
        "--smallest", type=PIXELS, metavar="PX", help="side of the smallest target (10)"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


@verb(
    "discover",
    TEXT,
    examples=["toy --out videos", "discover videos/val --mode motion --out found"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Search the videos, write the label file and its picture, say what was found.

    The exit status is 1 where a video could not be read.
    """
    from dataclasses import replace

    from ltr.io.progress import CountProgress
    from spot_ext.boxes.formats import label_file
    from spot_ext.boxes.key_frames import sequence_key, split_name
    from spot_ext.discover.quality import thinned
    from spot_ext.discover.search import Findings, as_labels, search
    from spot_ext.discover.sheet import contact_sheet, write_sheet

    limits = _limits(options)
    dataset, seq_ids = _open(options)
    split = options.split or (
        split_name(dataset) if options.videos in DATASETS else Path(dataset.root).resolve().name
    )
    boxes = options.boxes or (1 if options.mode == "det" else 0)
    mode = "det" if options.mode == "det" else "mot"
    # Hours of search should not end at a file that is kept.
    planned = label_file.file_name(as_labels(dataset, Findings(), mode, split, boxes))
    require_output(options.out / planned)
    finder = _finder(options, dataset, seq_ids, limits.least_frames)
    total = count_frames(dataset, seq_ids)
    progress = CountProgress("discover", "frames", total)
    try:
        findings = search(dataset, seq_ids, finder, limits, progress.step)
    finally:
        progress.close()
    full = findings.ranked()
    if boxes:
        findings = replace(
            findings,
            kept={
                seq_id: [thinned(target, boxes) for target in targets]
                for seq_id, targets in findings.kept.items()
            },
        )
    labels = as_labels(dataset, findings, mode, split, boxes)
    options.out.mkdir(parents=True, exist_ok=True)
    path = label_file.write(labels, options.out)
    sheet = path.with_name(f"{path.stem}_sheet.png")
    write_sheet(
        contact_sheet(
            [(sequence_key(dataset, seq_id), seq_id, target) for seq_id, target in full],
            dataset.get_frame,
        ),
        sheet,
    )
    _report(options, findings, labels, path, sheet)
    return 1 if findings.unreadable else 0


def _limits(options: argparse.Namespace):
    from spot_ext.discover.quality import Limits

    for name in ("boxes", "targets", "least_frames", "every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise BadValue(f"--{name.replace('_', '-')} {value}: give at least 1")
    for name in ("least_quality", "least_score"):
        value = getattr(options, name)
        if value is not None and not 0 <= value <= 1:
            raise BadValue(f"--{name.replace('_', '-')} {value}: give a number from 0 to 1")
    if options.mode == "motion" and (
        options.detections is not None or options.detector is not None
    ):
        raise BadValue(
            "--detections and --detector go with --mode det or mot; motion needs neither"
        )
    given = {
        "least_quality": options.least_quality,
        "least_frames": options.least_frames,
        "most_targets": options.targets,
        "smallest_side": options.smallest,
    }
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _open(options: argparse.Namespace):
    """The data set and the sequences to search."""
    place = Path(options.videos).expanduser()
    if not place.exists():
        if options.videos in DATASETS:
            dataset = open_named(options.videos, options.root, options.split)
            return dataset, range(dataset.get_num_sequences())
        raise MissingFile(
            f"there is neither a folder nor a video {place}, and no data set of this name "
            f"({', '.join(DATASETS)}); correct the path"
        )
    from ltr.dataset.video_folder import VideoFolder
    from ltr.frames.names import images_in

    place = place.resolve()
    is_folder = place.is_dir()
    if is_folder and not images_in(place):
        dataset = VideoFolder(str(place))
        return dataset, range(dataset.get_num_sequences())
    dataset, name = VideoFolder(str(place.parent)), place.name if is_folder else place.stem
    if name not in dataset.sequence_list:
        raise BadValue(f"{place} is not a video; give a video file, or a folder of videos")
    return dataset, [dataset.sequence_list.index(name)]


def _finder(options: argparse.Namespace, dataset, seq_ids, least_frames: int) -> Callable:
    """Return the function that finds tracks in a video."""
    from spot_ext.discover.motion import detection_tracks, motion_tracks

    if options.mode == "motion":
        return lambda name, frames: motion_tracks(frames, least_frames)
    if options.detections is not None:
        from spot_ext.boxes.key_frames import sequence_key
        from spot_ext.discover.detections import VideoDetections, read_detections

        ids = {sequence_key(dataset, seq_id): seq_id for seq_id in seq_ids}
        found = read_detections(
            options.detections,
            list(ids),
            lambda name: _image_names(dataset, ids[name]),
            options.least_score,
        )

        def follow(name, frames):
            here = found.get(name, VideoDetections({}))
            return detection_tracks(frames, here.at, least_frames, here.longest_gap)

        return follow
    from ltr.admin.environment import ensure_local_file, env_settings
    from spot_ext.discover.detector import Detector

    ensure_local_file()
    detector = Detector(
        Path(env_settings().pretrained_networks).expanduser(),
        options.detector,
        options.least_score,
        options.every,
    )
    return lambda name, frames: detection_tracks(
        frames, detector.at, least_frames, detector.longest_gap
    )


def _image_names(dataset, seq_id: int) -> tuple[str, ...] | None:
    """File names of a video's images, frame 0 first; None where the frames are in one file."""
    paths = [
        dataset.frame_path(seq_id, frame_id)
        for frame_id in range(dataset.get_sequence_length(seq_id))
    ]
    return None if len(paths) > 1 and paths[0] == paths[-1] else tuple(path.name for path in paths)


def _report(options: argparse.Namespace, findings, labels, path: Path, sheet: Path) -> None:
    searched = len(findings.kept) + len(findings.unreadable)
    if options.json:
        sys.stdout.write(
            json.dumps(
                {
                    "videos": searched,
                    "with_targets": len(labels.videos),
                    "unreadable": len(findings.unreadable),
                    "frames": findings.frames,
                    "targets": findings.num_targets,
                    "boxes": labels.num_labels,
                    "refused": dict(findings.refused),
                    "labels": str(path),
                    "sheet": str(sheet),
                }
            )
            + "\n"
        )
        return
    refused = (
        ", ".join(f"{count} {reason}" for reason, count in findings.refused.most_common()) or "none"
    )
    unreadable = (
        f"; {len(findings.unreadable)} videos could not be read" if findings.unreadable else ""
    )
    sys.stdout.write(
        f"{findings.num_targets} targets with {labels.num_labels} boxes in {len(labels.videos)} "
        f"of {searched} "
        f"videos ({findings.frames} frames){unreadable}\nleft out: {refused}\nlabels: "
        f"{path}\npicture: {sheet}\n"
    )
