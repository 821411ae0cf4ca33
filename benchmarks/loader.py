"""How fast one loader worker makes burn-in samples from 1280x720 JPEGs, next to a loop written the reference's way.

    python benchmarks/loader.py    # a minute or two

A burn-in sample is a template and a search region from two labelled frames. Both ways make the same samples from the same
files, each in this one process: ours through `spot_ext.data.loader.SampleSource` without its frame cache. The rival does
what the reference does: OpenCV decodes the whole frame and swaps its channels, NumPy takes the mean of the whole frame for
the colour outside it, the whole frame is copied into a padded one where a crop reaches over the border, and cv2.resize
shrinks the patch. The crops are compared before anything is timed. Frames are toy videos, enlarged, with grain: photographs
in how much the decoder has to do (bits a pixel are printed).
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
if str(REPO) not in sys.path:
    sys.path.insert(0, str(REPO))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import simplejpeg  # noqa: E402

from ltr.admin.errors import BadInput, run_script  # noqa: E402
from ltr.data import crops as context  # noqa: E402
from ltr.data.image_loader import default_image_loader  # noqa: E402
from ltr.data.seeding import generator  # noqa: E402
from ltr.dataset import Got10k  # noqa: E402
from spot_ext.data import toy  # noqa: E402
from spot_ext.data.crops import CropConfig, jitter  # noqa: E402
from spot_ext.data.loader import Draw, SampleSource  # noqa: E402
from spot_ext.data.videos import BURN_IN, LabelledDataset, VideoPool  # noqa: E402
from spot_ext.labels import key_frames  # noqa: E402

TARGET = 2.5  # times the rival's throughput
ZOOM = 2  # the toy videos are rendered at half of the size


def main() -> int:
    """Render, compare, time, print; status 1 when the target is missed."""
    options = arguments()
    cv2.setNumThreads(0)  # as in a worker
    print(f"{options.videos} videos x {options.frames} frames of {options.size[0]}x{options.size[1]}, JPEG quality "
          f"{options.quality}, {options.samples} samples, best of {options.rounds} rounds, seed {options.seed}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, OpenCV {cv2.__version__}, simplejpeg "
          f"{simplejpeg.__version__}, {platform.machine()}, one process\n")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root = write_videos(Path(folder), options)
        dataset = Got10k(root=str(root))
        sources = [LabelledDataset(dataset, key_frames.choose(dataset, 3, options.seed))]
        pool = VideoPool(sources, Path(folder) / "store")
        pool.open_store(sources)
        return measure(pool, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--frames", type=int, default=10, help="of a video")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("W", "H"))
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--samples", type=int, default=64, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for the videos")
    return parser.parse_args()


def write_videos(folder: Path, options: argparse.Namespace) -> Path:
    """A GOT-10k tree of enlarged toy videos with grain."""
    width, height = options.size
    tree = toy.render(folder / "toy", options.seed, {"train": options.videos}, (width // ZOOM, height // ZOOM),
                      (options.frames, options.frames))
    bits = []
    for path in sorted((tree.root / "train").glob("*/*.jpg")):
        rng = generator(options.seed, path.parent.name, path.name)
        image = cv2.resize(cv2.imread(str(path)), (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        image += rng.normal(0, 4, (height, width, 1)).astype(np.float32)
        cv2.imwrite(str(path), image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, options.quality])
        bits.append(8 * path.stat().st_size / (width * height))
    for file in (tree.root / "train").glob("*/groundtruth.txt"):
        np.savetxt(file, ZOOM * np.loadtxt(file, delimiter=","), "%.4f", ",")
    print(f"frames have {np.mean(bits):.2f} bits a pixel, {np.mean(bits) * width * height / 8e3:.0f} kB")
    return tree.root / "train"


def measure(pool: VideoPool, options: argparse.Namespace) -> int:
    config = CropConfig()
    source = SampleSource(pool, config, options.seed, cache_mb=0)
    draws = [Draw(BURN_IN, False, 1, index, 0) for index in range(options.samples)]
    plans = [plan(pool, draw, config, options.seed) for draw in draws]
    padded = np.mean([reaches_out(*entry[1:], options.size) for sample in plans for entry in sample])
    print(f"{100 * padded:.0f} % of the crops reach over the border\n")
    compare(source, draws, plans)

    paths = [path for sample in plans for path, *_ in sample]
    images = [default_image_loader(path) for path in paths]
    boxes = [entry[1:] for sample in plans for entry in sample]
    rows = [("decode", lambda: [opencv_rgb(path) for path in paths], lambda: [default_image_loader(path) for path in paths]),
            ("crop", lambda: [rival_crop(i, *b) for i, b in zip(images, boxes, strict=True)],
             lambda: [our_crop(i, *b) for i, b in zip(images, boxes, strict=True)]),
            ("sample", lambda: [rival_sample(sample) for sample in plans], lambda: [source[draw] for draw in draws])]
    print(f"{'ms a sample':<14}{'reference':>12}{'ours':>12}{'ratio':>9}")
    ratio = 0.0
    for name, rival, ours in rows:
        slow, fast = best(rival, ours, rounds=options.rounds)
        ratio = slow / fast
        print(f"{name:<14}{1e3 * slow / options.samples:>12.2f}{1e3 * fast / options.samples:>12.2f}{ratio:>8.2f}x")
    print(f"\none worker: {options.samples / fast:.1f} samples/s, the reference's way {options.samples / slow:.1f}; "
          f"{ratio:.2f} times (target {TARGET})")
    return int(ratio < TARGET)


def plan(pool: VideoPool, draw: Draw, config: CropConfig, seed: int) -> list[tuple[str, np.ndarray, float, int]]:
    """What `SampleSource` does for a draw, as (file, box to crop around, factor, size) of template and search region."""
    rng = generator(seed, "pair", draw.epoch, draw.index, 0)
    path = pool.draw_path(draw.stage, rng)
    view = pool.store(draw.version).path(path)
    ids = rng.choice(view.key_ids, 2)
    dataset, seq_id = pool.locate(path)
    files = [str(dataset.frame_path(seq_id, int(frame_id))) for frame_id in ids]
    search = jitter(view.box_xywh(ids[1]), config.center_jitter, config.scale_jitter, rng)
    return [(files[0], view.box_xywh(ids[0]), config.template_factor, config.template_size),
            (files[1], search, config.search_factor, config.search_size)]


def best(*actions: Callable, rounds: int) -> list[float]:
    """Seconds of the fastest of `rounds` runs of each, taken in turns so that a busy machine slows all alike."""
    seconds = [math.inf] * len(actions)
    for _ in range(rounds):
        for i, action in enumerate(actions):
            start = time.perf_counter()
            action()
            seconds[i] = min(seconds[i], time.perf_counter() - start)
    return seconds


# The reference's way

def opencv_rgb(path: str) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)


def rival_sample(sample: Sequence[tuple]) -> list[np.ndarray]:
    return [rival_crop(opencv_rgb(path), box, factor, size) for path, box, factor, size in sample]


def rival_crop(image: np.ndarray, box, factor: float, size: int) -> np.ndarray:
    """Mean of the frame, the frame copied into a larger one filled with it, a patch of that, resized."""
    mean = np.mean(image, axis=(0, 1))
    window = context.context_window(box, factor, size)
    (x, y), side = window.corner, window.side
    height, width = image.shape[:2]
    left, top, right, bottom = max(0, -x), max(0, -y), max(0, x + side - width), max(0, y + side - height)
    if left or top or right or bottom:
        canvas = np.zeros((height + top + bottom, width + left + right, 3), np.uint8)
        canvas[top:top + height, left:left + width] = image
        canvas[:top, left:left + width] = canvas[top + height:, left:left + width] = mean
        canvas[:, :left] = canvas[:, left + width:] = mean
        image = canvas
    patch = image[y + top:y + top + side, x + left:x + left + side]
    return patch if side == size else cv2.resize(patch, (size, size))


# Ours, in parts

def our_crop(image: np.ndarray, box, factor: float, size: int) -> np.ndarray:
    return context.cut(image, context.context_window(box, factor, size), context.mean_color(image))


def reaches_out(box, factor: float, size: int, frame_size: Sequence[int]) -> bool:
    window = context.context_window(box, factor, size)
    return min(window.corner) < 0 or any(c + window.side > limit for c, limit in zip(window.corner, frame_size, strict=True))


def compare(source: SampleSource, draws: Sequence[Draw], plans: Sequence[Sequence[tuple]]) -> None:
    """Both ways must give the same pixels, but for the last grey level of padding and of a decoder."""
    for draw, sample in zip(draws, plans, strict=True):
        pair = source[draw]
        for ours, theirs in zip((pair.template.image, pair.search.image), rival_sample(sample), strict=True):
            if np.abs(ours.astype(int) - theirs).max() > 1:
                raise BadInput(f"sample {draw.index}: the two ways give other pixels; the benchmark compares nothing")


if __name__ == "__main__":
    run_script(main)
