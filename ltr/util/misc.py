"""The names of TransT's `util.misc`: nested tensors, running values, processes, and a few odd
helpers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.stats import topk_accuracy
from ltr.parallel.distributed import (
    all_gather,
    get_rank,
    get_world_size,
    init_distributed_mode,
    is_dist_avail_and_initialized,
    is_main_process,
    reduce_dict,
    save_on_master,
)
from ltr.util.metric_logger import MetricLogger, SmoothedValue
from ltr.util.nested_tensor import (
    NestedTensor,
    nested_tensor_from_tensor,
    nested_tensor_from_tensor_2,
    nested_tensor_from_tensor_list,
)

__all__ = [
    "MetricLogger",
    "NestedTensor",
    "SmoothedValue",
    "accuracy",
    "all_gather",
    "collate_fn",
    "get_rank",
    "get_sha",
    "get_world_size",
    "init_distributed_mode",
    "interpolate",
    "is_dist_avail_and_initialized",
    "is_main_process",
    "nested_tensor_from_tensor",
    "nested_tensor_from_tensor_2",
    "nested_tensor_from_tensor_list",
    "reduce_dict",
    "save_on_master",
]


@torch.no_grad()
def accuracy(output: Tensor, target: Tensor, topk: Sequence[int] = (1,)) -> list[Tensor]:
    """Percentage of rows (N, classes) whose true class (N,) is among the k highest, per k; zero for
    no rows.
    """
    if target.numel() == 0:
        return [torch.zeros([], device=output.device)]
    return topk_accuracy(output, target, topk)


def interpolate(
    input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners=None
) -> Tensor:
    """`torch.nn.functional.interpolate`, which takes empty batches by now."""
    return F.interpolate(input, size, scale_factor, mode, align_corners)


def collate_fn(batch: Sequence[Sequence]) -> tuple:
    """A batch of (image, …): the images (C, H, W) as one NestedTensor, everything else as
    tuples.
    """
    images, *others = zip(*batch, strict=True)
    return (nested_tensor_from_tensor_list(images), *others)


def get_sha() -> str:
    """Commit, branch and state of this checkout in words; 'unknown' outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        state = "has uncommitted changes" if git("diff-index", "HEAD") else "clean"
        return (
            f"sha: {git('rev-parse', 'HEAD')}, status: {state}, branch: "
            f"{git('rev-parse', '--abbrev-ref', 'HEAD')}"
        )
    except (OSError, subprocess.CalledProcessError):
        return "sha: unknown"
