"""Fill in boxes from three per video on real sequences, against what else one would do.

    python -m benchmarks.own_videos DATA [--net FILE] [--only NAME …] [--epochs 8] [--seed 0]
    python -m benchmarks.own_videos DATA --fit

DATA holds `got10k/val`, `lasot` and `otb` in the layouts of these data sets. Key frames are drawn
by the paper's rule, k = 3; every other box is hidden. Rows: linear interpolation, OpenCV's CSRT and
the same network forwards from each key frame, `label` without and with adaptation. A method that
has nothing before the first key frame keeps that frame's box there. Writes a table, also by
sequence, as markdown and JSON to --out, and says how many more bad frames the most doubtful tenth
of `review.csv` holds than a random tenth. Resumes when started again.

`--fit` prints the coefficients of the confidence (`FITTED_CONFIDENCE`) fitted to training
sequences, those of `DATA/got10k/train` and of `DATA/lasot/training_set.txt`: three draws of key
frames, each tracked by the network as it is and, in the first draw, adapted (not with `--epochs
0`). Nothing of the test sequences goes into them. What it says of doubtful frames is of sequences
that were left out one at a time.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import WORKSPACE
from ltr.admin.errors import BadInput, MissingFile, run_script
from ltr.io.files import atomic_write, write_text

TEST_SETS, TRAIN_SETS, K = (
    {"got10k_val": "got10k/val", "lasot": "lasot", "otb": "otb"},
    ("got10k/train", "lasot"),
    3,
)
FIT_DRAWS, REGULARISATION = 3, 1.0
LINE, CSRT, FORWARD = (
    "linear interpolation",
    "CSRT from each key frame",
    "same network, forwards only",
)
OURS, ADAPTED = "label --no-adapt", "label"

PYTRACKING_LOCAL = """from pytracking.evaluation.environment import EnvSettings


def local_env_settings():
    settings = EnvSettings()
    settings.got10k_path, settings.lasot_path, settings.otb_path = {got10k!r}, {lasot!r}, {otb!r}
    return settings
"""


@dataclass(frozen=True)
class Case:
    """A sequence, the boxes that are given, and those that are hidden."""

    name: str
    test_set: str
    frames: list[str]
    boxes_xywh: np.ndarray  # (N, 4) ground truth
    keys: tuple[int, ...]
    judged: np.ndarray  # (N,) bool: visible, annotated, not given


def main() -> None:
    """Label, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--net", default="shipped", help="checkpoint; default: the light network of the package"
    )
    parser.add_argument("--out", type=Path, default=WORKSPACE / "own_videos")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="sequences; default: all")
    parser.add_argument(
        "--epochs", type=int, default=None, help="of the adaptation; 0 leaves that row out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fit", action="store_true", help="fit the confidence instead")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.data, options.out = options.data.resolve(), options.out.resolve()
    for part in TRAIN_SETS if options.fit else TEST_SETS.values():
        if not (options.data / part).is_dir():
            raise MissingFile(
                f"no folder '{options.data / part}': give a folder that holds got10k, lasot and otb"
            )
    fit(options) if options.fit else compare(options)


# Cases


def evaluation_cases(options: argparse.Namespace) -> list[Case]:
    """The evaluation sequences with three boxes each."""
    data, local = options.data, options.out / "pytracking_local.py"
    write_text(
        local,
        PYTRACKING_LOCAL.format(
            got10k=str(data / "got10k"), lasot=str(data / "lasot"), otb=str(data / "otb")
        ),
    )
    os.environ["PYTRACKING_LOCAL"] = str(local)
    from pytracking.evaluation import get_dataset

    cases = []
    for test_set in TEST_SETS:
        for seq in get_dataset(test_set):
            boxes, visible = np.asarray(seq.ground_truth_rect, dtype=np.float64), seq.target_visible
            cases.append(
                make_case(seq.name, test_set, list(seq.frames), boxes, visible, options.seed)
            )
    return chosen([case for case in cases if case is not None], options.only)


def train_cases(options: argparse.Namespace, seed: int) -> list[Case]:
    """The training sequences of GOT-10k and LaSOT with three boxes each."""
    from ltr.dataset import Got10k, Lasot

    got10k, lasot = (str(options.data / part) for part in TRAIN_SETS)
    cases = []
    for dataset in (Got10k(root=got10k), Lasot(root=lasot, split="train")):
        for seq_id, name in enumerate(dataset.sequence_list):
            info = dataset.get_sequence_info(seq_id)
            frames = [str(dataset.frame_path(seq_id, i)) for i in range(len(info["bbox"]))]
            cases.append(
                make_case(
                    name,
                    "train",
                    frames,
                    info["bbox"].double().numpy(),
                    dataset.get_visible(seq_id),
                    seed,
                )
            )
    return chosen([case for case in cases if case is not None], options.only)


def make_case(
    name: str, test_set: str, frames: list[str], boxes: np.ndarray, visible, seed: int
) -> Case | None:
    """None where the rule finds no three key frames."""
    from ltr.data.seeding import generator
    from spot_ext.boxes.key_frames import draw_key_frames

    count = min(len(frames), len(boxes))
    boxes = boxes[:count]
    usable = np.isfinite(boxes).all(1) & (boxes[:, 2:] > 0).all(1)
    if visible is not None:
        usable &= np.asarray(visible)[:count].astype(bool)
    keys = draw_key_frames(usable, K, generator(seed, "key_frames", name))
    if keys is None:
        return None
    judged = usable.copy()
    judged[list(keys)] = False
    return Case(name, test_set, frames[:count], boxes, keys, judged)


def chosen(cases: list[Case], names: Iterable[str] | None) -> list[Case]:
    """The cases of these names, all for None."""
    found = [case for case in cases if names is None or case.name in names]
    if not found:
        raise BadInput(
            f"no sequence is called {', '.join(names or ())}; there are "
            f"{', '.join(case.name for case in cases)}"
        )
    return found


# Methods: dense boxes (N, 4) of a case


def linear(case: Case) -> np.ndarray:
    """Straight lines between the given boxes, the nearest one beyond."""
    places = np.arange(len(case.boxes_xywh))
    return np.stack(
        [np.interp(places, case.keys, case.boxes_xywh[list(case.keys), i]) for i in range(4)], 1
    )


def forwards(
    case: Case, begin: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], Iterable[float]]]
) -> np.ndarray:
    """A tracker started anew on each key frame; `begin(image, box)` starts it and returns its
    `track`.
    """
    from ltr.data.image_loader import default_image_loader

    boxes = np.full_like(case.boxes_xywh, np.nan)
    boxes[: case.keys[0]] = case.boxes_xywh[case.keys[0]]
    step = None
    for frame_id in range(case.keys[0], len(boxes)):
        image = default_image_loader(case.frames[frame_id])
        if frame_id in case.keys:
            boxes[frame_id] = case.boxes_xywh[frame_id]
            step = begin(image, boxes[frame_id])
        else:
            boxes[frame_id] = step(image)
    return boxes


def network_forwards(make_tracker: Callable) -> Callable[[Case], np.ndarray]:
    """The online tracker as it is."""

    def begin(image, box):
        tracker = make_tracker()
        tracker.initialize(image, {"init_bbox": box.tolist()})
        return lambda image: tracker.track(image)["target_bbox"]

    return lambda case: forwards(case, begin)


def csrt() -> Callable[[Case], np.ndarray] | None:
    """OpenCV's CSRT; None where this OpenCV comes without its contributed modules."""
    create = getattr(cv2, "TrackerCSRT_create", None) or getattr(
        getattr(cv2, "legacy", None), "TrackerCSRT_create", None
    )
    if create is None:
        return None

    def begin(image, box):
        tracker, last = create(), [box]
        tracker.init(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), tuple(round(value) for value in box))

        def step(image):
            found, box = tracker.update(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            last[0] = np.array(box, dtype=float) if found else last[0]
            return last[0]

        return step

    return lambda case: forwards(case, begin)


def kept(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what an earlier run computed, or compute it now."""
    if not path.is_file():
        boxes = compute()
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.save(file, boxes)
    return np.load(path)


def labelled(
    cases: list[Case], options: argparse.Namespace, adapt: bool
) -> tuple[dict[str, np.ndarray], list[tuple[str, int]], dict]:
    """Boxes by sequence, the frames of review.csv in its order, and the summary of `label`."""
    from spot_ext.boxes import formats
    from spot_ext.propagate.labelling import LabelJob, label

    videos, given = own_folder(cases, options.out / f"videos_{len(cases)}")
    few = options.out / f"few_{len(cases)}_{options.seed}.csv"
    formats.write(given, few, "csv")
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    out = options.out / f"{'adapted' if adapt else 'as_it_is'}_{len(cases)}_{options.seed}"
    summary = label(
        LabelJob(
            videos,
            few,
            out,
            "csv",
            options.net,
            adapt,
            device=options.device,
            seed=options.seed,
            **(epochs if adapt else {}),
        )
    )
    boxes = {
        video.video: video.objects[0].boxes_xywh for video in formats.read(out / "boxes.csv", "csv")
    }
    with open(out / "review.csv", encoding="utf-8", newline="") as file:
        review = [(row["video"], int(row["frame"])) for row in csv.DictReader(file)]
    return boxes, review, summary


def own_folder(cases: list[Case], folder: Path):
    """The cases as a folder of videos, and their given boxes."""
    from spot_ext.boxes.track import ObjectTrack, VideoBoxes

    given = []
    for case in cases:
        (folder / case.name).mkdir(parents=True, exist_ok=True)
        for frame in case.frames:  # a sequence may be a part of its folder
            if not (link := folder / case.name / Path(frame).name).exists():
                link.symlink_to(frame)
        keys = list(case.keys)
        given.append(VideoBoxes(case.name, (ObjectTrack.drawn("1", keys, case.boxes_xywh[keys]),)))
    return folder, given


# Scores


def ious(case: Case, boxes: np.ndarray) -> np.ndarray:
    """IoU of the judged frames; 0 where there is no box."""
    from ltr.geometry.array_boxes import paired_iou

    return np.nan_to_num(paired_iou(boxes, case.boxes_xywh))[case.judged]


def lift(
    cases: list[Case], boxes: dict[str, np.ndarray], review: list[tuple[str, int]]
) -> dict[str, float]:
    """Return the share of bad frames in the most doubtful tenth, divided by the share in all."""
    bad = {}
    for case in cases:
        for frame_id, iou in zip(
            np.flatnonzero(case.judged).tolist(), ious(case, boxes[case.name]), strict=True
        ):
            bad[case.name, frame_id] = iou < 0.5
    first = [bad[place] for place in review if place in bad][: max(1, round(0.1 * len(bad)))]
    share, doubtful = float(np.mean(list(bad.values()))), float(np.mean(first))
    return {
        "bad": share,
        "bad_in_first_tenth": doubtful,
        "lift": doubtful / max(share, 1e-9),
        "highest_possible": min(10.0, 1 / max(share, 1e-9)),
    }


def compare(options: argparse.Namespace) -> None:
    """Run everything and write the tables."""
    from spot_ext.propagate.network import open_network

    cases = evaluation_cases(options)
    network = open_network(options.net)
    rivals = {
        LINE: linear,
        CSRT: csrt(),
        FORWARD: network_forwards(network.make_tracker(options.device)),
    }
    results: dict[str, dict[str, np.ndarray]] = {}
    seconds = {}
    for name, method in rivals.items():
        if method is None:
            print(
                "this OpenCV has no CSRT: pip install opencv-contrib-python brings it; the row is "
                "left out"
            )
            continue
        made_of = (
            f"_{hashlib.sha256(network.path.read_bytes()).hexdigest()[:8]}"
            if name == FORWARD
            else ""
        )
        start, folder = (
            time.time(),
            options.out / "rivals" / f"{name.split()[0]}{made_of}_{options.seed}",
        )
        results[name] = {
            case.name: kept(
                folder / f"{case.name}.npy", lambda case=case, method=method: method(case)
            )
            for case in cases
        }
        seconds[name] = time.time() - start
    summaries, lifts = {}, {}
    for name, adapt in ((OURS, False), (ADAPTED, True)):
        if adapt and options.epochs == 0:
            continue
        start = time.time()
        results[name], review, summaries[name] = labelled(cases, options, adapt)
        seconds[name] = time.time() - start
        lifts[name] = lift(cases, results[name], review)
    report(options, cases, results, lifts, seconds, summaries)


def report(
    options: argparse.Namespace,
    cases: list[Case],
    results: dict[str, dict[str, np.ndarray]],
    lifts: dict[str, dict[str, float]],
    seconds: dict[str, float],
    summaries: dict,
) -> None:
    """Print and write the tables: means over sequences, by test set and in all, and every
    sequence.
    """
    sets = [name for name in TEST_SETS if any(case.test_set == name for case in cases)]
    scores = {
        method: {case.name: ious(case, boxes[case.name]) for case in cases}
        for method, boxes in results.items()
    }

    def cell(method: str, members: list[Case]) -> str:
        parts = [scores[method][case.name] for case in members]
        return (
            f"{100 * np.mean([p.mean() for p in parts]):.1f} / "
            f"{100 * np.mean([(p >= 0.5).mean() for p in parts]):.1f}"
        )

    frames = sum(int(case.judged.sum()) for case in cases)
    lines = [
        f"{len(cases)} sequences, {frames} hidden frames, {K} boxes each, seed {options.seed}: "
        "mean IoU / share of frames "
        "with IoU of 0.5 or more, in percent, averaged over sequences",
        "",
        "| | " + " | ".join([*sets, "all"]) + " |",
        "|---" * (len(sets) + 2) + "|",
    ]
    for method in results:
        groups = [[case for case in cases if case.test_set == name] for name in sets]
        lines.append(
            f"| {method} | " + " | ".join(cell(method, group) for group in [*groups, cases]) + " |"
        )
    for method, values in lifts.items():
        lines += [
            "",
            f"review.csv of `{method}`: {100 * values['bad_in_first_tenth']:.1f}% of the most "
            "doubtful tenth are "
            f"bad, {100 * values['bad']:.1f}% of all frames: {values['lift']:.1f} times as many "
            "(at most "
            f"{values['highest_possible']:.1f} are possible)",
        ]
    lines += [
        "",
        "| sequence (mean IoU) | " + " | ".join(results) + " |",
        "|---" * (len(results) + 1) + "|",
    ]
    lines += [
        f"| {case.name} | "
        + " | ".join(f"{100 * scores[method][case.name].mean():.1f}" for method in results)
        + " |"
        for case in cases
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    write_text(options.out / "table.md", text)
    write_text(
        options.out / "table.json",
        json.dumps(
            {
                "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
                "torch": torch.__version__,
                "seconds": seconds,
                "lift": lifts,
                "label": summaries,
                "keys": {case.name: case.keys for case in cases},
                "iou": {
                    method: {name: float(values.mean()) for name, values in by_name.items()}
                    for method, by_name in scores.items()
                },
            },
            indent=2,
        )
        + "\n",
    )
    print(options.out / "table.md")


# The confidence


def fit(options: argparse.Namespace) -> None:
    """Fit the logistic confidence to training sequences and print it."""
    from spot_ext.propagate.confidence import FEATURES
    from spot_ext.propagate.network import open_network

    network, found = open_network(options.net), []
    for seed in range(FIT_DRAWS):
        cases = train_cases(options, seed)
        folder, given = own_folder(cases, options.out / f"train_videos_{len(cases)}")
        found += propagated(cases, given, network.make_tracker(options.device), f"draw {seed}")
        if seed == 0 and options.epochs != 0:
            adapted = adapted_network(network, folder, given, options)
            found += propagated(
                cases, given, adapted.make_tracker(options.device), f"draw {seed}, adapted"
            )
    names = np.concatenate([np.full(len(good), name) for name, _, good in found])
    features, good = (np.concatenate([entry[i] for entry in found]) for i in (1, 2))
    chances = np.empty(len(good))
    for name in np.unique(names):  # of what other sequences taught
        chances[names == name] = 1 / (
            1
            + np.exp(
                -features[names == name]
                @ logistic_regression(features[names != name], good[names != name])
            )
        )
    doubtful = good[np.argsort(chances, kind="stable")[: len(good) // 10]]
    print(
        f"{len(good)} frames, {100 * (1 - good.mean()):.1f}% bad; of the most doubtful tenth "
        f"{100 * (1 - doubtful.mean()):.1f}%, each sequence judged by coefficients fitted without "
        "it"
    )
    coefficients = logistic_regression(features, good)
    print("FITTED_CONFIDENCE of spot_ext/propagate/fusion_config.py:")
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f'    "{name}": {value:.2f},')


def propagated(
    cases: list[Case], given: list, make_tracker: Callable, text: str
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name of each case, features (n, F) of its judged frames, and whether their boxes are good
    (n,).
    """
    from ltr.frames.images import ImageFiles
    from ltr.geometry.array_boxes import paired_iou
    from spot_ext.propagate.propagation import propagate

    found = []
    for case, boxes in zip(cases, given, strict=True):
        fused = propagate(ImageFiles(case.frames), boxes, make_tracker)[0]
        good = np.nan_to_num(paired_iou(fused.boxes_xywh, case.boxes_xywh))[case.judged] >= 0.5
        found.append((case.name, fused.features[case.judged], good))
        print(
            f"{case.name}, {text}: {100 * good.mean():.0f}% of {len(good)} frames are good",
            flush=True,
        )
    return found


def adapted_network(network, folder: Path, given: list, options: argparse.Namespace):
    """The network after the training that `label` does."""
    from spot_ext.propagate import adapting

    epochs = adapting.EPOCHS if options.epochs is None else options.epochs
    job = adapting.AdaptingJob(
        str(folder), options.out / f"train_{len(given)}", options.device, options.seed
    )
    tracker = adapting.adapt(network, given, job, epochs)
    return dataclasses.replace(network, path=tracker)


def logistic_regression(features: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Coefficients (F,) by Newton's method, with a small ridge on all but the first."""
    ridge = REGULARISATION * np.diag([0.0] + [1.0] * (features.shape[1] - 1))
    found = np.zeros(features.shape[1])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-features @ found))
        slope = features.T @ (good - chances) - ridge @ found
        curve = (features * (chances * (1 - chances))[:, None]).T @ features + ridge
        found = found + np.linalg.solve(curve + 1e-9 * np.eye(len(found)), slope)
    return found


if __name__ == "__main__":
    run_script(main)
