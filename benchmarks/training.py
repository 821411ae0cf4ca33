"""Seconds of a training iteration and of its parts, against the same iteration written the
reference's way.

    python -m benchmarks.training            # full-size TransT on the CPU; burn-in of 4 pairs,
    sparse of 2 + 2; --threads N python -m benchmarks.training --gpu      # images/s of each part at
    batch 32, memory, and the hours of the whole schedule python -m benchmarks.training --quick    #
    small network, seconds: shows that it runs; with --gpu on a CPU, too

The network has random weights, which cost the time of trained ones; every pseudo-label is accepted.
The rival has the same network with `nn.MultiheadAttention` that also returns averaged weights,
torch's dropout, a teacher in train mode with crops of its own, one affine transformation a picture,
an optimiser and a moving average that go from tensor to tensor. Ours and the rival take turns.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision.transforms.functional as pictures
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode

from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import BadInput, run_script
from ltr.dataset import Got10k
from ltr.models.neck.featurefusion_network import Attention
from ltr.parallel.cores import worker_count
from spot_ext.boxes import key_frames
from spot_ext.training import augmentation
from spot_ext.training.actor import SparseActor
from spot_ext.training.architectures import get_architecture
from spot_ext.training.compiling import compile_networks
from spot_ext.training.config import SparseConfig, TeacherConfig
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.data.loader import SampleSource, SparseLoader
from spot_ext.training.data.prefetch import prefetch_to_device
from spot_ext.training.data.samples import PairBatch, SparseBatch, TripletBatch, Windows
from spot_ext.training.data.videos import BURN_IN, SPARSE, LabelledDataset, VideoPool
from spot_ext.training.iteration import train_iteration
from spot_ext.training.optimization import StudentStep, make_optimizer
from spot_ext.training.progress import Stopwatch, peak_gb, start_peak
from spot_ext.training.teacher import Teacher

RIVAL = (
    "the reference's way: attention maps returned, teacher in train mode, an affine a "
    "picture, tensor by tensor"
)
KEEP = 0.998
PUBLISHED = (50_000, 350_000)  # iterations of burn-in and sparse stage: 400 epochs of 1000


@dataclass(frozen=True)
class Size:
    """A network with the crops it is trained on."""

    architecture: str = "transt"
    network: Mapping[str, int] = field(default_factory=dict)
    template: int = 128
    search: int = 256


FULL = Size()
TINY = Size(
    "transt_small",
    {
        "hidden_dim": 16,
        "nheads": 2,
        "dim_feedforward": 32,
        "width": 4,
        "dropout": 0.1,
        "template_sz": 32,
        "search_sz": 64,
    },
    32,
    64,
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of torch on the CPU"
    )
    options = parser.parse_args(arguments)
    if options.gpu and not torch.cuda.is_available() and not options.quick:
        raise BadInput(
            "torch sees no GPU: run --gpu on a machine with one, or add --quick to try the script "
            "on the CPU"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        (on_gpu if options.gpu else on_cpu)(options)
    finally:
        torch.set_num_threads(before)


# One iteration, ours and the rival's


class Ours:
    """The iteration of `SparseTrainer`, part by part."""

    def __init__(
        self, size: Size, device: torch.device, precision: str = "fp32", compiled: bool = False
    ):
        self.device, self.architecture = device, get_architecture(size.architecture)
        torch.manual_seed(0)
        net = self.architecture.build(size.network)
        self.config = SparseConfig(
            datasets=(), labelled=2, precision=precision, teacher=TeacherConfig(iou_threshold=0.0)
        )
        self.teacher = Teacher(
            net, self.architecture, self.config.teacher.window_weight, precision=precision
        )
        self.actor = SparseActor(net, self.teacher, self.architecture, self.config)
        self.actor.to(device)
        self.compiled = compiled and compile_networks([net, self.teacher.net], device)
        self.actor.train()
        optimizer = make_optimizer(
            net, self.architecture, self.config.optim, fused=device.type == "cuda"
        )
        self.step = StudentStep(net, optimizer, self.config.optim)
        self.numbers = itertools.count()

    def __call__(self, batch: SparseBatch, watch: Stopwatch | None = None) -> float:
        """Learn from a batch on the device; returns its loss. `watch` gets the seconds of the
        parts.
        """
        watch = watch or Stopwatch()
        generator = torch.Generator().manual_seed(next(self.numbers))
        result = train_iteration(self.actor, self.step, batch, generator, watch)
        with watch("optimiser"):
            wait(self.device)
        if result.statistics is None:
            raise FloatingPointError("the loss or a gradient is not finite")
        return result.statistics["Loss/total"]

    def update_teacher(self) -> None:
        self.teacher.update(self.actor.net, KEEP)


class Rival:
    """The training iteration done picture by picture and tensor by tensor."""

    def __init__(self, size: Size):
        self.architecture = get_architecture(size.architecture)
        torch.manual_seed(0)
        self.net = plain(self.architecture.build(size.network)).train()
        self.teacher = copy.deepcopy(self.net).requires_grad_(False)  # stays in train mode
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=1e-4, foreach=False, fused=False
        )
        self.numbers = itertools.count()

    def __call__(self, batch: SparseBatch) -> float:
        generator, config = (
            torch.Generator().manual_seed(next(self.numbers)),
            augmentation.AugmentConfig(),
        )
        pairs, triplets = batch.labelled, batch.unlabelled
        searches, templates = (
            _each(images, config, generator) for images in (pairs.searches, pairs.templates)
        )
        size = searches.shape[-1]
        boxes = [
            torch.cat(
                [pairs.boxes_xywh[:, :2] + pairs.boxes_xywh[:, 2:] / 2, pairs.boxes_xywh[:, 2:]], 1
            )
            / size
        ]
        if triplets is not None:
            with torch.no_grad():
                found = self.teacher(
                    _each(triplets.unlabelled.clone(), config, generator),
                    _each(triplets.keys.clone(), config, generator),
                )
                best = found["pred_logits"].softmax(-1)[..., 0].argmax(1)
                boxes.append(
                    torch.stack([found["pred_boxes"][row, place] for row, place in enumerate(best)])
                )
            draws = augmentation.draw_turns(len(triplets), config, generator)
            hard = one_by_one(
                _each(triplets.augmented, config, generator), triplets.augmented_fills / 255, draws
            )
            searches = torch.cat([searches, hard])
            templates = torch.cat([templates, _each(triplets.relays, config, generator)])
        outputs, count = self.net(searches, templates), len(pairs)
        losses = [
            self.architecture.criterion(self.architecture.rows(outputs, *ends), wanted, index == 0)[
                "total"
            ]
            for index, (ends, wanted) in enumerate(
                zip(((0, count), (count, None)), boxes, strict=False)
            )
        ]
        loss = sum(losses) / len(losses)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def update_teacher(self) -> None:
        student = self.net.state_dict()
        for name, value in self.teacher.state_dict().items():
            value.copy_(KEEP * value + (1 - KEEP) * student[name])


class AveragedMaps(nn.Module):
    """`nn.MultiheadAttention` with the weights of ours, which also returns the mean of its
    attention maps.
    """

    def __init__(self, ours: Attention):
        super().__init__()
        self.inner = nn.MultiheadAttention(ours.out_proj.in_features, ours.nhead, ours.dropout)
        self.inner.load_state_dict(ours.state_dict())

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, ignored: Tensor | None = None
    ) -> Tensor:
        turned = (x.transpose(0, 1) for x in (query, key, value))
        return self.inner(*turned, key_padding_mask=ignored)[0].transpose(0, 1)


def plain(net: nn.Module) -> nn.Module:
    """`net`, in place, with torch's own attention and dropout in the place of ours."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, Attention):
                setattr(module, name, AveragedMaps(child))
            elif isinstance(child, nn.Dropout):
                setattr(module, name, nn.Dropout(child.p))
    return net


def _each(images: Tensor, config: augmentation.AugmentConfig, generator: torch.Generator) -> Tensor:
    """Brightness, grey and normalisation of one picture after the other."""
    draws = augmentation.draw_pairs(len(images), config, generator)
    return torch.cat(
        [
            augmentation.prepare(image[None], factor[None], grey[None])
            for image, factor, grey in zip(images, draws.search_factors, draws.grey, strict=True)
        ]
    )


def one_by_one(images: Tensor, fills: Tensor, draws: augmentation.TurnDraws) -> Tensor:
    """`augment.turn` as a loop of one affine transformation a picture, with torchvision."""
    done = []
    for image, fill, angle, flip in zip(
        images, fills.tolist(), draws.angles.tolist(), draws.flips.tolist(), strict=True
    ):
        turned = image.flip(-1) if flip else image
        done.append(
            pictures.affine(turned, angle, [0, 0], 1.0, [0.0, 0.0], InterpolationMode.NEAREST, fill)
        )
    return torch.stack(done)


def one_by_one_cv2(images: Tensor, fills: Tensor, draws: augmentation.TurnDraws) -> Tensor:
    """Crop one by one with OpenCV, from and to tensors."""
    size, done = images.shape[-1], []
    for image, fill, angle, flip in zip(
        images, fills.tolist(), draws.angles.tolist(), draws.flips.tolist(), strict=True
    ):
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[:, :: -1 if flip else 1])
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, 1.0)
        done.append(
            torch.from_numpy(
                cv2.warpAffine(
                    pixels, matrix, (size, size), flags=cv2.INTER_NEAREST, borderValue=fill
                )
            )
        )
    return torch.stack(done).permute(0, 3, 1, 2).contiguous()


def batch_of(size: Size, pairs: int, triplets: int) -> SparseBatch:
    """Noise in the shapes of a batch."""
    draw = torch.Generator().manual_seed(0)

    def crops(count: int, side: int) -> Tensor:
        return torch.randint(0, 256, (count, 3, side, side), generator=draw, dtype=torch.uint8)

    windows = Windows(
        torch.full((triplets, 2), 500.0).double(), torch.ones(triplets, 1).double(), size.search
    )
    boxes = torch.tensor([0.35, 0.4, 0.3, 0.2]) * size.search
    unlabelled = (
        TripletBatch(
            torch.arange(triplets),
            torch.arange(triplets),
            torch.full((triplets, 2), 1000.0).double(),
            crops(triplets, size.template),
            crops(triplets, size.search),
            windows,
            crops(triplets, size.template),
            crops(triplets, size.search),
            torch.full((triplets, 3), 90.0),
            windows,
            torch.full((triplets, 4), float("nan")).double(),
        )
        if triplets
        else None
    )
    labelled = PairBatch(
        torch.arange(pairs),
        crops(pairs, size.template),
        crops(pairs, size.search),
        boxes.repeat(pairs, 1),
    )
    return SparseBatch(labelled, unlabelled)


# On a CPU


def on_cpu(options: argparse.Namespace) -> None:
    """Iterations, moving average and augmentation against the rival."""
    size, cpu = TINY if options.quick else FULL, torch.device("cpu")
    found = Results(
        "training",
        options,
        f"{size.architecture}, crops of {size.template} and {size.search} px, "
        f"{torch.get_num_threads()} threads; medians of iterations that take turns",
    )
    fast_bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    rival = Rival(size)
    variants = {"fp32": Ours(size, cpu)} | ({"bf16": Ours(size, cpu, "bf16")} if fast_bf16 else {})
    if not fast_bf16:
        found.leave_out("iterations in bf16", "this CPU computes it no faster than fp32")
    for name, pairs, triplets in (
        ("burn-in iteration, 4 pairs", 4, 0),
        ("sparse iteration, 2 + 2", 2, 2),
    ):
        batch = batch_of(size, pairs, triplets)
        theirs, *ours = _taking_turns(
            [lambda: rival(batch), *(lambda one=one: one(batch) for one in variants.values())],  # noqa: B023
            rounds=1 if options.quick else 4,
            seconds=found.seconds_left / 4,
        )
        for precision, seconds in zip(variants, ours, strict=True):
            last = precision == list(variants)[-1]
            found.add(
                Row(
                    f"{name}, {precision}",
                    seconds,
                    theirs,
                    target=3 if last else None,
                    rival_is=RIVAL,
                )
            )
    theirs, ours = _taking_turns([rival.update_teacher, variants["fp32"].update_teacher], rounds=5)
    found.add(Row("teacher update", ours, theirs, rival_is=RIVAL))
    augmentation_speed(found, 24, 64 if options.quick else 256)
    found.finish()


def augmentation_speed(found: Results, count: int, side: int) -> None:
    """Flip and rotation of `count` crops at once against loops."""
    generator = torch.Generator().manual_seed(0)
    draws = augmentation.draw_turns(count, augmentation.AugmentConfig(), generator)
    images, fills = (
        torch.rand(count, 3, side, side, generator=generator),
        torch.rand(count, 3, generator=generator),
    )
    ours, torchs, opencvs = _taking_turns(
        [
            lambda: augmentation.turn(images, fills, draws),
            lambda: one_by_one(images, fills, draws),
            lambda: one_by_one_cv2(images, fills, draws),
        ],
        rounds=15,
    )
    found.add(
        Row(
            f"flip and rotation of {count} crops",
            1000 * ours,
            1000 * torchs,
            "ms",
            target=2,
            rival_is="torchvision's affine, a picture at a time",
        )
    )
    found.add(
        Row(
            f"flip and rotation of {count} crops (OpenCV)",
            1000 * ours,
            1000 * opencvs,
            "ms",
            rival_is="OpenCV's warpAffine, a picture at a time, from and to tensors",
        )
    )


def _taking_turns(
    what: Sequence[Callable[[], object]], rounds: int, seconds: float = float("inf")
) -> list[float]:
    """Median seconds of each, after one round that does not count; fewer rounds when they would
    take more than `seconds`.
    """
    taken: list[list[float]] = [[] for _ in what]
    began = time.perf_counter()
    for number in range(rounds + 1):
        for one, times in zip(what, taken, strict=True):
            start = time.perf_counter()
            one()
            times.append(time.perf_counter() - start)
        if number and time.perf_counter() - began > seconds * (number + 1) / (number + 2):
            break
    return [statistics.median(times[1:]) for times in taken]


# On a GPU


def on_gpu(options: argparse.Namespace) -> None:
    """Images a second of each part at the published batch, memory, and how long the published
    schedule takes.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size, shape = (TINY, (4, 2, 2)) if options.quick else (FULL, (32, 8, 24))
    found = Results(
        "training",
        options,
        f"{size.architecture} on {device}, batches of {shape[0]} pairs and of {shape[1]} + "
        f"{shape[2]} samples",
    )
    loading = dict.fromkeys((BURN_IN, SPARSE), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for stage, rate in _loading(
            Path(folder), size, shape, 3 if options.quick else 40, options.quick
        ):
            loading[stage] = shape[0] / rate
            found.add(
                Row(
                    f"loading, {stage}",
                    rate,
                    unit="samples/s",
                    higher_is_better=True,
                    note=f"{worker_count(None)} workers, 1280x720 JPEGs"
                    if stage == BURN_IN
                    else "",
                )
            )
    best = None
    for name, precision, compiled in (
        ("fp32", "fp32", False),
        ("bf16", "bf16", False),
        ("bf16, compiled", "bf16", True),
    ):
        if found.seconds_left < (90 if compiled else 30) or (compiled and options.quick):
            found.leave_out(name, "compiling takes minutes" if options.quick else "no time left")
            continue
        ours = Ours(size, device, precision, compiled)
        if compiled and not ours.compiled:
            found.leave_out(name, "torch.compile does not work here")
            continue
        start_peak(device)
        rounds = 2 if options.quick else 15
        burn_in, _ = _parts(ours, batch_of(size, shape[0], 0), rounds)
        sparse, parts = _parts(ours, batch_of(size, *shape[1:]), rounds)
        found.add(
            Row(f"{name}: burn-in", shape[0] / burn_in, unit="pairs/s", higher_is_better=True)
        )
        for part, count in (("teacher", shape[2]), ("student", shape[0]), ("optimiser", shape[0])):
            found.add(
                Row(
                    f"{name}: sparse, {part}",
                    count / parts[part],
                    unit="images/s",
                    higher_is_better=True,
                )
            )
        if (peak := peak_gb(device)) is not None:
            found.add(Row(f"{name}: GPU memory", peak, unit="GB"))
        hours = (
            PUBLISHED[0] * max(burn_in, loading[BURN_IN])
            + PUBLISHED[1] * max(sparse, loading[SPARSE])
        ) / 3600
        found.add(
            Row(
                f"{name}: 400 x 1000 x 32, loading beside",
                hours,
                unit="h",
                note=f"{1000 * burn_in:.0f} and {1000 * sparse:.0f} ms an iteration; loading "
                f"{1000 * loading[BURN_IN]:.0f} and {1000 * loading[SPARSE]:.0f} ms",
            )
        )
        best = min(best or hours, hours)
        del ours
    if best is not None:
        found.add(Row("published schedule at its best", best, unit="h", limit=24))
    found.finish()


def _parts(ours: Ours, batch: SparseBatch, rounds: int) -> tuple[float, dict[str, float]]:
    """Seconds of an iteration with uploads ahead, and of its parts, after iterations that warm
    up.
    """
    for _ in range(3):
        ours(batch.to(ours.device))
    watch, began = Stopwatch(), time.perf_counter()
    pinned = batch.pin_memory() if ours.device.type == "cuda" else batch
    for moved in prefetch_to_device(itertools.repeat(pinned, rounds), ours.device, watch):
        ours(moved, watch)
    ours.update_teacher()
    wait(ours.device)
    return (time.perf_counter() - began) / rounds, {
        name: max(value, 1e-9) / rounds for name, value in watch.seconds.items()
    }


def _loading(
    folder: Path, size: Size, shape: tuple[int, int, int], iterations: int, small: bool
) -> Iterator[tuple[str, float]]:
    """Samples a second that the workers deliver in each stage."""
    dataset = Got10k(
        root=str(write_videos(folder / "videos", 2 if small else 12, 8 if small else 24, small))
    )
    sources = [LabelledDataset(dataset, key_frames.choose(dataset, 3, 0))]
    pool = VideoPool(sources, folder / "store")
    pool.open_store(sources)
    crops = CropConfig(template_size=size.template, search_size=size.search)
    loader = SparseLoader(
        SampleSource(pool, crops, 0, cache_mb=0), iterations, 0 if small else worker_count(None)
    )
    for stage, (pairs, triplets) in ((BURN_IN, (shape[0], 0)), (SPARSE, shape[1:])):
        count, began = 0, None
        for number, batch in enumerate(loader.epoch(stage, 1, 0, pairs, triplets)):
            if number == (0 if small else 8):  # the workers have started and their queues are full
                began = time.perf_counter()
            elif began is not None:
                count += len(batch.labelled) + (
                    len(batch.unlabelled) if batch.unlabelled is not None else 0
                )
        yield stage, count / (time.perf_counter() - began)


def write_videos(folder: Path, videos: int, frames: int, small: bool) -> Path:
    """Videos in GOT-10k's layout: a textured square moves over a texture, about 300 kB a frame."""
    draw, (height, width) = np.random.default_rng(0), (90, 160) if small else (720, 1280)
    for video in range(videos):
        (folder / f"video_{video:02d}").mkdir(parents=True)
        picture = cv2.resize(
            draw.integers(0, 255, (height // 3, width // 3, 3), np.uint8), (width, height)
        )
        side, boxes = height // 5, []
        target = cv2.resize(
            draw.integers(0, 255, (side // 3, side // 3, 3), np.uint8), (side, side)
        )
        for frame in range(frames):
            x, y, seen = 5 + 2 * frame, 5 + frame, picture.copy()
            seen[y : y + side, x : x + side] = target
            cv2.imwrite(str(folder / f"video_{video:02d}" / f"{frame + 1:08d}.jpg"), seen)
            boxes.append(f"{x},{y},{side},{side}\n")
        (folder / f"video_{video:02d}" / "groundtruth.txt").write_text("".join(boxes))
        for name, value in (("absence", 0), ("cover", 8), ("cut_by_image", 0)):
            (folder / f"video_{video:02d}" / f"{name}.label").write_text(f"{value}\n" * frames)
        (folder / f"video_{video:02d}" / "meta_info.ini").write_text("[METAINFO]\n")
    (folder / "list.txt").write_text("".join(f"video_{video:02d}\n" for video in range(videos)))
    return folder


def wait(device: torch.device) -> None:
    """Until a GPU has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    run_script(main)
