"""Measure precise RoI pooling in plain torch beside torchvision's compiled `roi_align`.

    python -m benchmarks.roi_pooling [--quick]

The sizes are those of ATOM's training: 16 boxes in each of 16 images, 256 channels of 18x18 cells
into 3x3 bins, and 128 channels of 36x36 into 5x5. `roi_align` samples four points a bin instead of
integrating, and has no gradient by the boxes, which box refinement needs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.ops import roi_align

from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import run_script
from ltr.models.layers.roi_pooling import prroi_pool2d

BOXES_AN_IMAGE = 16
# Channels, cells of a side, bins of a side, pixels of a cell.
SIZES = ((256, 18, 3, 16), (128, 36, 5, 8))
RIVAL = "torchvision's roi_align, four samples a bin"


def main() -> None:
    """Measure forward, and forward with gradients, at both sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args()
    images = 2 if options.quick else 16
    repeats = 3 if options.quick else 15
    found = Results("roi_pooling", options, f"{images} images of {BOXES_AN_IMAGE} boxes")
    torch.manual_seed(0)
    for channels, cells, bins, stride in SIZES:
        features = torch.randn(images, channels, cells, cells, requires_grad=True)
        rois = boxes(images, cells * stride).requires_grad_()
        size = f"{channels}x{cells}x{cells} to {bins}x{bins}"

        def ours(features: Tensor = features, rois: Tensor = rois, bins=bins, stride=stride):
            return prroi_pool2d(features, rois, bins, bins, 1 / stride)

        def rival(features: Tensor = features, rois: Tensor = rois, bins=bins, stride=stride):
            return roi_align(features, rois, bins, 1 / stride, sampling_ratio=2, aligned=True)

        for name, job in (("forward", forward), ("forward and backward", forward_backward)):
            own_time = seconds(lambda job=job, pool=ours: job(pool), repeats)
            rival_time = seconds(lambda job=job, pool=rival: job(pool), repeats)
            found.add(
                Row(f"{name}, {size}", own_time * 1e3, rival_time * 1e3, "ms", rival_is=RIVAL)
            )
    found.finish()


def boxes(images: int, image_size: int) -> Tensor:
    """Return boxes (N, 5) around the middle of their images."""
    corner = torch.rand(images * BOXES_AN_IMAGE, 2) * image_size / 3
    size = torch.rand(images * BOXES_AN_IMAGE, 2) * image_size / 3 + image_size / 8
    image = torch.arange(images).repeat_interleave(BOXES_AN_IMAGE)[:, None]
    return torch.cat((image.float(), corner, corner + size), 1)


def forward(pool: Callable[[], Tensor]) -> None:
    """Pool without a graph."""
    with torch.no_grad():
        pool()


def forward_backward(pool: Callable[[], Tensor]) -> None:
    """Pool, and differentiate by all that has a gradient."""
    pool().sum().backward()


def seconds(job: Callable[[], None], repeats: int) -> float:
    """Return the median time of `job`, after one call that is not counted."""
    job()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    run_script(main)
