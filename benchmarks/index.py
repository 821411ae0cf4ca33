"""Measure how long a data set of TrackingNet's size takes to open, next to parsing its text.

    python -m benchmarks.index            # 30,000 videos, 14 million boxes: minutes, 1.5 GB
    python -m benchmarks.index --quick    # a thirtieth of it, a few seconds

The generated tree has TrackingNet's layout without images. "Opening" is everything until boxes and
visibility of every sequence are at hand: listing, comparing the state of every annotation file with
the index, mapping the index. The rival, in the same run, lists the tree and parses every annotation
file into memory, as a data set without an index has to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import run_script
from ltr.dataset import TrackingNet
from ltr.dataset.annotations import read_boxes

SAMPLES = 2000
_OPEN = """
import sys, time
start = time.perf_counter()
import random
from ltr.dataset import TrackingNet
imported = time.perf_counter()
data = TrackingNet(sys.argv[1])
data.prepare()
opened = time.perf_counter()
random.seed(0)
total = 0.0
for _ in range(int(sys.argv[2])):
    index = random.randrange(len(data))
    total += float(data.get_sequence_info(index)["bbox"].sum())
print(imported - start, opened - imported, time.perf_counter() - opened, total)
"""


@dataclass(frozen=True)
class Opening:
    """Seconds of a process of its own: importing, opening the data set, drawing SAMPLES sequences
    from it.
    """

    importing: float
    opening: float
    drawing: float


def main() -> None:
    args = arguments()
    found = Results(
        "index",
        args,
        f"{args.sequences:,} videos of {args.frames} frames in 12 sets, files in {args.folder}, "
        "in the system's cache, as they were just written",
    )
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = generate(Path(folder) / "trackingnet", args.sequences, args.frames)
        (Path(folder) / "local.py").write_text(
            "class EnvironmentSettings:\n    def __init__(self):\n"
            f"        self.workspace_dir = {str(Path(folder) / 'workspace')!r}\n"
        )
        os.environ["LTR_LOCAL"] = str(Path(folder) / "local.py")
        parsing = rival(root)
        first, second = opening(root), opening(root)
        size = sum(
            path.stat().st_size for path in (Path(folder) / "workspace").rglob("*.safetensors")
        )
        change = next(root.glob("TRAIN_0/anno/*.txt"))
        change.write_text(change.read_text().replace("1", "2"))
        after_change = opening(root)
    found.add(
        Row(
            "first open, makes the index",
            first.opening,
            parsing,
            rival_is="listing the tree and parsing all text, as a data set without an index has to",
        )
    )
    found.add(
        Row(
            "second open, in a new process",
            second.opening,
            parsing,
            target=10,
            note=f"an index of {size / 1e6:.0f} MB",
        )
    )
    found.add(Row("open after one file changed", after_change.opening, parsing))
    found.add(Row("boxes of a sequence drawn at random", second.drawing / SAMPLES * 1e6, unit="us"))
    found.finish()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--sequences", type=int, default=30_000)
    parser.add_argument("--frames", type=int, default=470, help="of each video")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    if args.quick:
        args.sequences = 1000
    return args


def generate(root: Path, sequences: int, frames: int) -> Path:
    """An annotation tree of random boxes with two decimals; sequences take one of 50 texts."""
    rng = np.random.default_rng(0)
    texts = [
        "".join(
            f"{x:.2f},{y:.2f},{w:.2f},{h:.2f}\n" for x, y, w, h in rng.uniform(1, 600, (frames, 4))
        )
        for _ in range(50)
    ]
    for number in range(12):
        (root / f"TRAIN_{number}" / "anno").mkdir(parents=True)
    for i in range(sequences):
        (root / f"TRAIN_{i % 12}" / "anno" / f"video-{i:06d}_0.txt").write_text(texts[i % 50])
    return root


def rival(root: Path) -> float:
    start = time.perf_counter()
    data = TrackingNet(root)
    boxes = [read_boxes(data.boxes_path(i)) for i in range(len(data))]
    seconds = time.perf_counter() - start
    del boxes
    return seconds


def opening(root: Path) -> Opening:
    """Open the data set in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(root), str(SAMPLES)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return Opening(*map(float, done.stdout.split()[:3]))


if __name__ == "__main__":
    run_script(main)
