"""Numbers shared between the processes of a distributed run; every function also works in a single process."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def is_dist_avail_and_initialized() -> bool:
    """Whether this is one of several processes that can talk to each other."""
    return dist.is_available() and dist.is_initialized()


def get_world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if is_dist_avail_and_initialized() else 1


def get_rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if is_dist_avail_and_initialized() else 0


def is_main_process() -> bool:
    """Whether this is process 0."""
    return get_rank() == 0


def save_on_master(*args: Any, **kwargs: Any) -> None:
    """`torch.save` in process 0 only."""
    if is_main_process():
        torch.save(*args, **kwargs)


def all_gather(data: Any) -> list[Any]:
    """What every process gave, in the order of processes. `data` must pickle."""
    if get_world_size() == 1:
        return [data]
    gathered: list[Any] = [None] * get_world_size()
    dist.all_gather_object(gathered, data)
    return gathered


@torch.no_grad()
def reduce_dict(input_dict: dict[str, Tensor], average: bool = True) -> dict[str, Tensor]:
    """The sum, or mean, over processes of every value of a dict of scalars with the same keys everywhere."""
    if get_world_size() == 1:
        return input_dict
    names = sorted(input_dict)
    values = torch.stack([input_dict[name] for name in names])
    dist.all_reduce(values)
    return dict(zip(names, values / get_world_size() if average else values, strict=True))


def init_distributed_mode(args: Any) -> None:
    """Join the processes that torchrun started, and say so in `args`: `distributed`, `rank`, `world_size`, `gpu`.

    Without torchrun `args.distributed` is False and nothing else happens.
    """
    args.distributed = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    if not args.distributed:
        return
    args.rank, args.world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    args.gpu = int(os.environ.get("LOCAL_RANK", 0))
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(args.gpu)
    dist.init_process_group("nccl" if on_gpu else "gloo", rank=args.rank, world_size=args.world_size)
