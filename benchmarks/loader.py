"""Measure how fast one loader worker makes samples, next to a loop written the reference's way.

    python -m benchmarks.loader [--quick]    # a minute or two

A burn-in sample is a template and a search region from two labelled frames; a sparse one has the
templates of a key and a relay frame and two search regions of an unlabelled frame. Both ways make
the same samples from the same files, each in this one process: ours through
`spot_ext.training.data.loader.SampleSource` with no room to keep frames. The rival does what the
reference does: OpenCV decodes the whole frame and swaps its channels, NumPy takes the mean of the
whole frame for the colour outside it, the whole frame is copied into a padded one where a crop
reaches over the border, and cv2.resize shrinks the patch. The crops are compared before anything is
timed, except those that `crops.decode = "reduced"` makes, which are not the same. Frames are toy
videos, enlarged, with grain: photographs in how much the decoder has to do (bits a pixel are
printed). Times are CPU time, which other programs disturb least, the best of some rounds in turns.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import BadInput, run_script
from ltr.data import crops as context
from ltr.data.image_loader import default_image_loader
from ltr.data.seeding import generator
from ltr.dataset import Got10k
from spot_ext.boxes import key_frames
from spot_ext.rendering import drawn
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.data.exploration import draw_pair, draw_unlabelled
from spot_ext.training.data.loader import Draw, SampleSource
from spot_ext.training.data.samples import LabelledPair
from spot_ext.training.data.videos import BURN_IN, SPARSE, LabelledDataset, VideoPool

TARGET = 3.0  # times the rival's throughput
ZOOM = 2  # the toy videos are rendered at half of the size
RIVAL = "cv2.imread of every frame, NumPy's mean of all its pixels, a padded copy of it, cv2.resize"


@dataclass(frozen=True)
class Cut:
    """A crop of a sample: which frame, which part of it."""

    file: str
    window: context.CropWindow


def main() -> None:
    """Render, compare, time, print."""
    options = arguments()
    cv2.setNumThreads(0)  # as in a worker
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root, bits = write_videos(Path(folder), options)
        found = Results(
            "loader",
            options,
            (
                f"{options.videos} videos x {options.frames} frames of "
                f"{options.size[0]}x{options.size[1]}, JPEG quality "
                f"{options.quality}, {bits:.2f} bits a pixel, {options.samples} samples, best of "
                f"{options.rounds} rounds"
            ),
        )
        dataset = Got10k(root=str(root))
        sources = [LabelledDataset(dataset, key_frames.choose(dataset, 3, options.seed))]
        pool = VideoPool(sources, Path(folder) / "store")
        explore(pool.open_store(sources), dataset)
        measure(pool, options, found)
    found.finish()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--frames", type=int, default=10, help="of a video")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("W", "H"))
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--samples", type=int, default=64, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="for the videos"
    )
    options = parser.parse_args()
    if options.quick:
        options.videos, options.samples, options.rounds = 3, 6, 2
    return options


def write_videos(folder: Path, options: argparse.Namespace) -> tuple[Path, float]:
    """A GOT-10k tree of enlarged toy videos with grain, and how many bits a pixel takes."""
    width, height = options.size
    tree = drawn.render(
        folder / "toy",
        options.seed,
        {"train": options.videos},
        (width // ZOOM, height // ZOOM),
        (options.frames, options.frames),
    )
    bits = []
    for path in sorted((tree.root / "train").glob("*/*.jpg")):
        rng = generator(options.seed, path.parent.name, path.name)
        image = cv2.resize(
            cv2.imread(str(path)), (width, height), interpolation=cv2.INTER_CUBIC
        ).astype(np.float32)
        image += rng.normal(0, 4, (height, width, 1)).astype(np.float32)
        cv2.imwrite(
            str(path),
            image.clip(0, 255).astype(np.uint8),
            [cv2.IMWRITE_JPEG_QUALITY, options.quality],
        )
        bits.append(8 * path.stat().st_size / (width * height))
    for file in (tree.root / "train").glob("*/groundtruth.txt"):
        np.savetxt(file, ZOOM * np.loadtxt(file, delimiter=","), "%.4f", ",")
    return tree.root / "train", float(np.mean(bits))


def explore(store, dataset: Got10k) -> None:
    """Version 1 of the store: every second frame has a box, as in the middle of training."""
    writer = store.writer()
    for path in range(len(store)):
        seq_id = dataset.sequence_list.index(store.key_of(path)[0])
        ids = range(0, store.track(path).length, 2)
        for frame_id, box in zip(ids, dataset.get_boxes(seq_id, ids).tolist(), strict=True):
            if box[2] > 1 and box[3] > 1:
                writer.record(path, frame_id, box, 0.9)
    writer.commit(1)


def measure(pool: VideoPool, options: argparse.Namespace, found: Results) -> None:
    config = CropConfig()
    full, reduced = (
        SampleSource(pool, dataclasses.replace(config, decode=decode), options.seed, cache_mb=0)
        for decode in ("full", "reduced")
    )
    for stage, name in ((BURN_IN, "burn-in"), (SPARSE, "sparse")):
        draws = [Draw(stage, stage == SPARSE, 1, index, 1) for index in range(options.samples)]
        plans = [plan(pool, full, draw) for draw in draws]
        compare(full, draws, plans)
        cuts = [cut for sample in plans for cut in sample]
        if stage == BURN_IN:
            measure_parts(cuts, options, found)
        actions = (
            lambda plans=plans: [rival_sample(sample) for sample in plans],
            lambda draws=draws: [full[draw] for draw in draws],
            lambda draws=draws: [reduced[draw] for draw in draws],
        )
        slow, fast, faster = (
            options.samples / seconds for seconds in best(*actions, rounds=options.rounds)
        )
        outside = np.mean([reaches_out(cut.window, options.size) for cut in cuts])
        found.add(
            Row(
                f"{name} samples of one worker",
                fast,
                slow,
                "samples/s",
                True,
                target=TARGET,
                rival_is=RIVAL,
                note=f"the same pixels; {100 * outside:.0f} % of the crops reach over the border",
            )
        )
        found.add(
            Row(
                f"{name} samples, crops.decode = reduced",
                faster,
                slow,
                "samples/s",
                True,
                note="not the same pixels: JPEGs at 1/2 to 1/8 where crops are smaller still",
            )
        )


def measure_parts(cuts: Sequence[Cut], options: argparse.Namespace, found: Results) -> None:
    """Decoding a frame and cutting a crop, for themselves."""
    images = [default_image_loader(cut.file) for cut in cuts]
    pairs = list(zip(images, cuts, strict=True))
    slow, fast = best(
        lambda: [opencv_rgb(cut.file) for cut in cuts],
        lambda: [default_image_loader(cut.file) for cut in cuts],
        rounds=options.rounds,
    )
    found.add(Row("decode a frame", 1e3 * fast / len(cuts), 1e3 * slow / len(cuts), "ms"))
    slow, fast = best(
        lambda: [rival_crop(image, cut.window) for image, cut in pairs],
        lambda: [context.cut(image, cut.window, context.mean_color(image)) for image, cut in pairs],
        rounds=options.rounds,
    )
    found.add(
        Row(
            "cut a crop",
            1e3 * fast / len(cuts),
            1e3 * slow / len(cuts),
            "ms",
            note="mean colour of the frame included",
        )
    )


def plan(pool: VideoPool, source: SampleSource, draw: Draw) -> list[Cut]:
    """Name the crops that `source` cuts for a draw.

    They are a pair's template and search region, or a triplet's key, unlabelled, augmented, relay.
    """
    rng = generator(
        source.seed, "triplet" if draw.unlabelled else "pair", draw.epoch, draw.index, 0
    )
    path = pool.draw_path(draw.stage, rng, labelled=not draw.unlabelled)
    view, sample = pool.store(draw.version).track(path), source[draw]
    if draw.unlabelled:
        drawn = draw_unlabelled(view, rng)
        parts = [
            (drawn.key_id, sample.key),
            (drawn.frame_id, sample.unlabelled),
            (drawn.frame_id, sample.augmented),
            (drawn.relay_id, sample.relay),
        ]
    else:
        parts = list(
            zip(draw_pair(view.key_ids, rng), (sample.template, sample.search), strict=True)
        )
    dataset, seq_id = pool.locate(path)
    return [
        Cut(str(dataset.frame_path(seq_id, int(frame_id))), crop.window) for frame_id, crop in parts
    ]


def best(*actions: Callable, rounds: int) -> list[float]:
    """Seconds of CPU time of the fastest of `rounds` runs of each, taken in turns so that a busy
    machine slows all alike.
    """
    seconds = [math.inf] * len(actions)
    for _ in range(rounds):
        for i, action in enumerate(actions):
            start = time.process_time()
            action()
            seconds[i] = min(seconds[i], time.process_time() - start)
    return seconds


# The reference's way


def opencv_rgb(path: str) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)


def rival_sample(sample: Sequence[Cut]) -> list[np.ndarray]:
    """Both search regions of a triplet, which follow each other, are cut from one frame; every
    other crop reads its own.
    """
    crops, file, image = [], None, None
    for cut in sample:
        if cut.file != file:
            file, image = cut.file, opencv_rgb(cut.file)
        crops.append(rival_crop(image, cut.window))
    return crops


def rival_crop(image: np.ndarray, window: context.CropWindow) -> np.ndarray:
    """Mean of the frame, the frame copied into a larger one filled with it, a patch of that,
    resized.
    """
    mean = np.mean(image, axis=(0, 1))
    (x, y), side = window.corner, window.side
    height, width = image.shape[:2]
    left, top, right, bottom = (
        max(0, -x),
        max(0, -y),
        max(0, x + side - width),
        max(0, y + side - height),
    )
    if left or top or right or bottom:
        canvas = np.zeros((height + top + bottom, width + left + right, 3), np.uint8)
        canvas[top : top + height, left : left + width] = image
        canvas[:top, left : left + width] = canvas[top + height :, left : left + width] = mean
        canvas[:, :left] = canvas[:, left + width :] = mean
        image = canvas
    patch = image[y + top : y + top + side, x + left : x + left + side]
    return (
        patch if side == window.out_size else cv2.resize(patch, (window.out_size, window.out_size))
    )


# Are they the same?


def reaches_out(window: context.CropWindow, frame_size: Sequence[int]) -> bool:
    return min(window.corner) < 0 or any(
        c + window.side > limit for c, limit in zip(window.corner, frame_size, strict=True)
    )


def compare(source: SampleSource, draws: Sequence[Draw], plans: Sequence[Sequence[Cut]]) -> None:
    """Both ways must give the same pixels, but for the last grey level of padding and of a
    decoder.
    """
    for draw, cuts in zip(draws, plans, strict=True):
        sample = source[draw]
        ours = (
            (sample.template, sample.search)
            if isinstance(sample, LabelledPair)
            else (sample.key, sample.unlabelled, sample.augmented, sample.relay)
        )
        for crop, theirs in zip(ours, rival_sample(cuts), strict=True):
            if np.abs(crop.image.astype(int) - theirs).max() > 1:
                raise BadInput(
                    f"sample {draw.index}: the two ways give other pixels; the benchmark compares "
                    "nothing"
                )


if __name__ == "__main__":
    run_script(main)
