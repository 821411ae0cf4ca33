"""Compare the second round of `label` with labelling anew with the same boxes: time and mean IoU.

    python -m benchmarks.second_round DATA [--only NAME …] [--seed 0] [--epochs 8]

Three boxes of each sequence are given first (as in `benchmarks.own_videos`), then one more: in the
frame of the sequence that `review.csv` doubts most. Compared are the second round in the same
folder and a first round in a new folder with all four boxes. Prints CPU seconds and the mean IoU of
the hidden frames, averaged over sequences.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import WORKSPACE, own_videos
from ltr.admin.errors import run_script
from ltr.io.files import write_text


def main() -> None:
    """Label, add a box to each sequence, label again both ways, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--net", default="shipped")
    parser.add_argument("--out", type=Path, default=WORKSPACE / "second_round")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="sequences; default: all")
    parser.add_argument("--epochs", type=int, default=None, help="of the first round's adaptation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.data, options.out = options.data.resolve(), options.out.resolve() / f"{options.seed}"
    # Nothing may be left from an earlier run: times are measured.
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Run all three and print the table."""
    cases = own_videos.evaluation_cases(options)
    first = labelled(options, cases, "rounds")
    cases = [with_a_box(case, options.out / "rounds") for case in cases]
    second = labelled(options, cases, "rounds")
    anew = labelled(options, cases, "anew")
    print("| | adapting, s | propagating, s | CPU s | share of the first | mean IoU |")
    print("|---|---|---|---|---|---|")
    for name, result in (("first", first), ("second", second), ("anew, all boxes", anew)):
        share = result["cpu"] / first["cpu"]
        seconds = result["summary"]["seconds"]
        print(
            f"| {name} | {seconds['adapt']:.1f} | {seconds['propagate']:.1f} | {result['cpu']:.1f} "
            f"| {100 * share:.0f}% | {100 * np.mean(list(result['iou'].values())):.2f} |"
        )
    print(json.dumps(second["summary"]["rounds"][-1]))
    results = {"first": first, "second": second, "anew": anew}
    write_text(options.out / "second_round.json", json.dumps(results, indent=1) + "\n")


def labelled(
    options: argparse.Namespace, cases: list[own_videos.Case], name: str
) -> dict[str, Any]:
    """Label in the folder `name`, and return time, mean IoU by sequence and the summary."""
    from spot_ext.boxes import formats
    from spot_ext.propagate.labelling import LabelJob, label

    videos, given = own_videos.own_folder(cases, options.out / "videos")
    few = options.out / "few.csv"
    formats.write(given, few, "csv")
    epochs = {} if options.epochs is None else {"epochs": options.epochs}
    job = LabelJob(
        videos,
        few,
        options.out / name,
        "csv",
        options.net,
        device=options.device,
        seed=options.seed,
        **epochs,
    )
    started = time.process_time()
    summary = label(job)
    cpu = time.process_time() - started
    found = formats.read(options.out / name / "boxes.csv", "csv")
    boxes = {video.video: video.objects[0].boxes_xywh for video in found}
    iou = {case.name: float(own_videos.ious(case, boxes[case.name]).mean()) for case in cases}
    return {"cpu": cpu, "iou": iou, "summary": summary}


def with_a_box(case: own_videos.Case, folder: Path) -> own_videos.Case:
    """Add the box of the frame that `review.csv` doubts most, of those that can be judged."""
    with open(folder / "review.csv", encoding="utf-8", newline="") as file:
        doubted = [
            int(row["frame"])
            for row in csv.DictReader(file)
            if row["video"] == case.name and case.judged[int(row["frame"])]
        ]
    # A sequence without a doubtful frame gets none.
    if not doubted:
        return case
    judged = case.judged.copy()
    judged[doubted[0]] = False
    return dataclasses.replace(case, keys=tuple(sorted([*case.keys, doubted[0]])), judged=judged)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run_script(main)
