"""Numbers and rows shared between the processes of a distributed run; every function also works in
a single process.

Losses and statistics follow one convention: what each process computes, averaged over the
processes, is the value of the whole batch. DistributedDataParallel averages gradients the same way.
A mean over some of a process's rows is therefore a sum over them divided by the number of these
rows in all processes, see `ltr.models.loss.means`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ltr.admin.errors import BadInput, BadValue


def is_dist_avail_and_initialized() -> bool:
    """Say whether this is one of several processes that can talk to each other."""
    return dist.is_available() and dist.is_initialized()


def get_world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if is_dist_avail_and_initialized() else 1


def get_rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if is_dist_avail_and_initialized() else 0


def is_main_process() -> bool:
    """Say whether this is process 0."""
    return get_rank() == 0


def save_on_master(*args: Any, **kwargs: Any) -> None:
    """`torch.save` in process 0 only."""
    if is_main_process():
        torch.save(*args, **kwargs)


def all_gather(data: Any) -> list[Any]:
    """Return what every process gave, in the order of processes. `data` must pickle."""
    if get_world_size() == 1:
        return [data]
    all_gather_batch: list[Any] = [None] * get_world_size()
    dist.all_gather_object(all_gather_batch, data)
    return all_gather_batch


@torch.no_grad()
def reduce_dict(input_dict: dict[str, Tensor], average: bool = True) -> dict[str, Tensor]:
    """The sum, or mean, over processes of every value of a dict of scalars with the same keys
    everywhere.
    """
    if get_world_size() == 1:
        return input_dict
    names = sorted(input_dict)
    values = torch.stack([input_dict[name] for name in names])
    dist.all_reduce(values)
    return dict(zip(names, values / get_world_size() if average else values, strict=True))


def init_distributed_mode(args: Any) -> None:
    """Join the processes that torchrun started, and say so in `args`: `distributed`, `rank`,
    `world_size`, `gpu`.

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
    dist.init_process_group(
        # Tensors of the CPU are exchanged, too, which NCCL refuses.
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        rank=args.rank,
        world_size=args.world_size,
    )


# Who does which rows


def rank_slice(count: int) -> slice:
    """The rows of `count` that are this process's: consecutive ones, as many as any other's where
    `count` divides.
    """
    return slice(
        count * get_rank() // get_world_size(), count * (get_rank() + 1) // get_world_size()
    )


def require_even_shares(counts: Mapping[str, int]) -> None:
    """BadValue when one of the named numbers of samples is no multiple of the number of
    processes.
    """
    for name, count in counts.items():
        if count % get_world_size():
            raise BadValue(
                f"{name} is {count}, which {get_world_size()} processes cannot share evenly: make "
                "it a multiple of "
                f"{get_world_size()}, or start another number of processes"
            )


def require_one_process(what: str) -> None:
    """BadValue in a run of several processes."""
    if get_world_size() > 1:
        raise BadValue(
            f"{what} is not made for {get_world_size()} processes: start it with python instead "
            "of torchrun"
        )


# Sums and rows of all processes


@torch.no_grad()
def total(values: Tensor) -> Tensor:
    """Return the sum of `values` over processes."""
    if get_world_size() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def mean_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """The mean over processes of every number; all processes name the same."""
    if get_world_size() == 1:
        return dict(numbers)
    means = (
        total(torch.tensor([float(numbers[name]) for name in numbers], dtype=torch.float64))
        / get_world_size()
    )
    return dict(zip(numbers, means.tolist(), strict=True))


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all processes, those of process 0 first; every process gives as many."""
    if get_world_size() == 1 or not rows.numel():
        return rows
    sent = rows.contiguous()
    sent = sent.view(torch.uint8) if rows.dtype == torch.bool else sent  # gloo sends no bool
    all_gather_batch = sent.new_empty(get_world_size() * len(sent), *sent.shape[1:])
    dist.all_gather_into_tensor(all_gather_batch, sent)
    return all_gather_batch.view(rows.dtype)


def roll_rows(rows: Tensor) -> Tensor:
    """`rows.roll(1, 0)` of the rows of all processes: what of the result is this process's."""
    if get_world_size() == 1:
        return rows.roll(1, 0)
    last = gather_rows(rows[-1:])
    return torch.cat([last[get_rank() - 1 :][:1], rows[:-1]])


# Waiting for each other


def barrier() -> None:
    """Return when every process has come here."""
    any_of(False)


def any_of(flag: bool) -> bool:
    """Say whether any process has `flag`; the same answer in all."""
    return bool(total(torch.tensor(int(flag)))) if get_world_size() > 1 else flag


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Process 0 runs the block while the others wait, which then find what it wrote."""
    if not is_main_process():
        barrier()
    yield
    if is_main_process():
        barrier()


def require_equal(value: Any, what: str) -> None:
    """BadInput, in all processes, when they do not have an equal `value`."""
    values = all_gather(value)
    if others := [rank for rank, other in enumerate(values) if other != values[0]]:
        raise BadInput(
            f"{what} differ between the processes 0 and {others[0]} of {len(values)}: start all "
            "of them with the "
            "same command, code, local.py and data"
        )
