"""Measure how well `discover --mode motion` finds moving objects, embedded and real ones.

    python -m benchmarks.discover --splits train,val
    python -m benchmarks.discover --toy FOLDER --data FOLDER --sheets FOLDER --every 2

Toy videos (rendered into a temporary folder without --toy): every target moves, and the renderer
knows the boxes of all other moving things; obstacles that pass in front (poles, fences, leaves)
count as wrong. A target is found when a path overlaps it by at least 0.5 on some frame. A path is
right when it overlaps one and the same object by at least 0.5 on at least half of its frames;
"right once" asks for one frame only. Real sequences (`--data`, folders in the layouts of GOT-10k,
LaSOT and OTB, and `clips`) have boxes of one object only, so that other paths may be right or
wrong: they are counted, not judged.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadInput, run_script
from ltr.dataset.video_folder import VideoFolder
from ltr.geometry.array_boxes import iou_matrix
from spot_ext.discover.linking import Track
from spot_ext.discover.motion import motion_tracks
from spot_ext.discover.quality import Limits, Target
from spot_ext.discover.search import search
from spot_ext.discover.sheet import contact_sheet, write_sheet
from spot_ext.rendering import drawn
from spot_ext.rendering.drawn.paint import paint

OVERLAP = 0.5
LIMITS = Limits()


@dataclass
class Score:
    """Count one video's paths and targets."""

    name: str
    frames: int
    seconds: float  # of process time
    found: bool | None  # the annotated target; None: there is none
    on_target: int  # paths that are right about it
    right: int  # paths that are right about any known object
    right_once: int
    targets: list[Target]
    overlaps: list[float]  # of the boxes of right paths with their object


def main() -> None:
    """Print a table for the toy videos and one for the real ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--toy", type=Path, help="folder of the toy videos; rendered there when it is empty"
    )
    parser.add_argument("--splits", default="train,val", help="of the toy videos; empty: none")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="only every N-th toy video"
    )
    parser.add_argument("--data", type=Path, help="folder with got10k, lasot, otb and clips")
    parser.add_argument(
        "--folders", default="got10k/train,got10k/val,lasot,otb,clips", help="of --data"
    )
    parser.add_argument("--sheets", type=Path, help="write the contact sheets there")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, one thread; {LIMITS}\n", flush=True)
    if options.splits:
        with tempfile.TemporaryDirectory() as temporary:
            toy_table(drawn.ensure(options.toy or Path(temporary, "toy")), options)
    if options.data is not None:
        real_table(options)


def toy_table(tree: drawn.ToyTree, options: argparse.Namespace) -> None:
    """Return a table with a row for each split."""
    print(
        "| toy videos | videos | targets found | paths | right | right once | mean IoU of right "
        "paths | ms a frame |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for split in options.splits.split(","):
        dataset = VideoFolder(str(tree.root / split))
        scores = []
        for index in range(0, dataset.get_num_sequences(), options.every):
            scores.append(scored(dataset, index, toy_truth(tree, split, index)))
            score = scores[-1]
            say(
                f"{score.name}: {'found' if score.found else 'missed'}, {score.right} of "
                f"{len(score.targets)} paths right"
            )
        paths, overlaps = (
            sum(len(score.targets) for score in scores),
            [value for score in scores for value in score.overlaps],
        )
        right, once = (
            sum(score.right for score in scores),
            sum(score.right_once for score in scores),
        )
        found = share(sum(bool(score.found) for score in scores), len(scores))
        print(
            f"| {split} | {len(scores)} | {found} | {paths} | {share(right, paths)} | "
            f"{share(once, paths)} | "
            f"{np.mean(overlaps or [0]):.2f} | {speed(scores):.0f} |",
            flush=True,
        )
        sheet(dataset, scores, options.sheets, f"toy_{split}")


def real_table(options: argparse.Namespace) -> None:
    """Return a table with a row for each video."""
    print(
        "\n| sequence | frames | target found | paths | on the target | ms a frame "
        "|\n|---|---|---|---|---|---|",
        flush=True,
    )
    for folder, dataset in real_folders(options.data, options.folders.split(",")):
        scores = []
        for index in range(dataset.get_num_sequences()):
            boxes = annotation(dataset, index)
            scores.append(scored(dataset, index, [] if boxes is None else [boxes]))
            score = scores[-1]
            word = "" if score.found is None else "yes" if score.found else "no"
            print(
                f"| {folder}/{score.name} | {score.frames} | {word} | {len(score.targets)} | "
                f"{'' if score.found is None else score.on_target} | {speed([score]):.0f} |",
                flush=True,
            )
        sheet(dataset, scores, options.sheets, folder.replace("/", "_"))


def scored(dataset: VideoFolder, index: int, truth: Sequence[np.ndarray]) -> Score:
    """Search one video; `truth` has the boxes (T, 4) of each known object, the target's first, NaN
    where it is not.
    """

    def finder(name: str, frames: Iterable[np.ndarray]) -> Iterator[Track]:
        return motion_tracks(frames, LIMITS.least_frames)

    started = time.process_time()
    findings = search(dataset, [index], finder, LIMITS, lambda note: None)
    seconds = time.process_time() - started
    targets = findings.kept.get(index, [])
    score = Score(
        dataset.sequence_list[index],
        findings.frames,
        seconds,
        False if truth else None,
        0,
        0,
        0,
        targets,
        [],
    )
    for target in targets:
        overlaps = [overlap_with(target, boxes) for boxes in truth]
        if not overlaps:
            continue
        best = max(overlaps, key=lambda values: (values >= OVERLAP).mean())
        score.found = score.found or bool(overlaps[0].max() >= OVERLAP)
        score.on_target += bool((overlaps[0] >= OVERLAP).mean() >= 0.5)
        score.right_once += any(values.max() >= OVERLAP for values in overlaps)
        if (best >= OVERLAP).mean() >= 0.5:
            score.right += 1
            score.overlaps += best.tolist()
    return score


def overlap_with(target: Target, boxes: np.ndarray) -> np.ndarray:
    """IoU (T,) of a path with an object's boxes in the same frames; 0 where the object is not."""
    inside = target.frame_ids < len(boxes)
    values = np.zeros(len(inside))
    for place in np.flatnonzero(inside):
        box = boxes[target.frame_ids[place]]
        if np.isfinite(box).all():
            values[place] = iou_matrix(target.boxes_xywh[place][None], box[None])[0, 0]
    return values


def toy_truth(tree: drawn.ToyTree, split: str, index: int) -> list[np.ndarray]:
    """Boxes (T, 4) of the target and of each neighbour, hidden parts included."""
    scene = tree.settings.scene(split, index)
    return [
        np.array([_hull(actor.thing, pose, scene) for pose in actor.poses])
        for actor in (scene.target, *scene.others)
    ]


def _hull(thing, pose, scene) -> np.ndarray:
    outside = not (
        -pose.size < pose.x < scene.width + pose.size
        and -pose.size < pose.y < scene.height + pose.size
    )
    box = None if outside else paint(thing, pose, scene.sun).hull(scene.width, scene.height)
    return np.full(4, np.nan) if box is None else box


def real_folders(root: Path, wanted: Sequence[str]) -> Iterator[tuple[str, VideoFolder]]:
    """Each folder of videos with its name."""
    for name in wanted:
        if not (root / name).is_dir():
            raise BadInput(f"there is no folder {root / name}; correct --data or --folders")
        for folder in (
            sorted(path for path in (root / name).iterdir() if path.is_dir())
            if name == "lasot"
            else [root / name]
        ):
            yield str(folder.relative_to(root)), VideoFolder(str(folder))


def annotation(dataset: VideoFolder, index: int) -> np.ndarray | None:
    """Boxes (T, 4), 0-based, in any of the layouts; None without."""
    folder = dataset.root / dataset.sequence_list[index]
    for name, first in (("groundtruth.txt", 0), ("groundtruth_rect.txt", 1)):
        if (folder / name).is_file():
            rows = [
                line.replace(",", " ").split()
                for line in (folder / name).read_text().splitlines()
                if line.strip()
            ]
            return np.array(rows, float) - np.array([first, first, 0, 0])
    return None


def sheet(dataset: VideoFolder, scores: Sequence[Score], folder: Path | None, name: str) -> None:
    """Write the contact sheet of a table's row or rows."""
    if folder is not None:
        items = [
            (score.name, dataset.sequence_list.index(score.name), target)
            for score in scores
            for target in score.targets
        ]
        items.sort(key=lambda item: -item[2].quality)
        write_sheet(contact_sheet(items, dataset.get_frame), folder / f"{name}.png")


def share(part: int, whole: int) -> str:
    """`28 (93%)`."""
    return f"{part} ({100 * part / max(whole, 1):.0f}%)"


def speed(scores: Sequence[Score]) -> float:
    """Milliseconds of process time a frame."""
    return (
        1000
        * sum(score.seconds for score in scores)
        / max(sum(score.frames for score in scores), 1)
    )


def say(text: str) -> None:
    """Progress, beside the table."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    run_script(main)
