"""Loads batches: torch's DataLoader with the collation of tracking samples and draws that do not
depend on the workers.
"""

from __future__ import annotations

import contextlib
import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.admin.tensorlist import TensorList
from ltr.data import faults
from ltr.data.seeding import global_seed, torch_generator
from ltr.parallel.distributed import (
    get_world_size,
    rank_slice,
    require_even_shares,
    require_one_process,
)


class _Sized(Protocol):
    """Can be gone through and knows its length: torch's samplers, mostly."""

    def __iter__(self) -> Iterator: ...

    def __len__(self) -> int: ...


class LTRLoader(DataLoader):
    """Batches of `dataset`, under the name that statistics carry.

    `epoch_interval` n: the trainer runs this loader in every n-th epoch only. `stack_dim` is the
    dimension in which samples are joined: with 1, samples of shape (frames, ...) become (frames,
    batch, ...). Further keyword arguments are those of torch's DataLoader, e.g.
    `persistent_workers`.

    With a `seed`, sample i of an epoch is drawn while Python's, NumPy's and torch's global
    generators start from (seed, epoch, i), so that an epoch has the same batches with any number of
    workers and after a resume. The trainer passes `settings.seed` to loaders that have none, and
    the epoch to all.

    Of several processes (torchrun) each gets its part of every batch of `batch_size`; what is left
    of a last batch that is smaller and does not divide is left out.

    `faults` counts the samples that were drawn again because a file could not be used;
    `faults.share` is the part of an epoch's draws that may be, all of them unless a trainer sets
    it.
    """

    def __init__(
        self,
        name: str,
        dataset,
        training: bool = True,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: _Sized | None = None,
        batch_sampler: _Sized | None = None,
        num_workers: int = 0,
        epoch_interval: int = 1,
        collate_fn: Callable | None = None,
        stack_dim: int = 0,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        *,
        seed: int | None = None,
        **kwargs,
    ):
        if collate_fn is None:
            if stack_dim not in (0, 1):
                raise BadValue(
                    f"loader '{name}': stack_dim is {stack_dim}; choose 0 or 1, or give a "
                    "collate_fn"
                )
            collate_fn = ltr_collate_stack1 if stack_dim else ltr_collate
        self._keys = _Keys(seed)
        if isinstance(dataset, IterableDataset):
            require_one_process(f"loader '{name}', which reads an IterableDataset,")
        else:
            if batch_sampler is not None:
                batch_sampler = _KeyedSampler(batch_sampler, self._keys, batches=True)
            else:
                if sampler is None:
                    sampler = (
                        _Shuffled(dataset, self._keys) if shuffle else SequentialSampler(dataset)
                    )
                elif shuffle:
                    raise BadValue(
                        f"loader '{name}': shuffle and sampler exclude each other; give one of them"
                    )
                sampler, shuffle = _KeyedSampler(sampler, self._keys), False
                if get_world_size() > 1:
                    require_even_shares({f"loader '{name}': batch_size": batch_size or 1})
                    batch_sampler = BatchSampler(sampler, batch_size or 1, drop_last)
                    batch_size, sampler, drop_last = 1, None, False
            if get_world_size() > 1 and batch_sampler is not None:
                batch_sampler = _Shared(batch_sampler)
            dataset = _SeededSamples(dataset)
        super().__init__(
            dataset,
            batch_size,
            shuffle,
            sampler,
            batch_sampler,
            num_workers,
            faults.Collating(collate_fn),
            pin_memory,
            drop_last,
            timeout,
            worker_init_fn or _init_worker,
            **kwargs,
        )
        self.faults = faults.FaultLog(share=1)
        self.name = name
        self.training = training
        self.epoch_interval = epoch_interval
        self.stack_dim = stack_dim

    @property
    def seed(self) -> int | None:
        """Seed of the draws; None leaves them to the global generators."""
        return self._keys.seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        self._keys.seed = value

    def __iter__(self):
        with parent_handles_ctrl_c():
            batches = super().__iter__()
        return self.faults.unpack(batches, lambda batch: samples_in(batch, self.stack_dim))

    def set_epoch(self, epoch: int) -> None:
        """Epoch that the next iteration belongs to."""
        self._keys.epoch = epoch
        self.faults.start_epoch()


class MultiEpochLTRLoader(LTRLoader):
    """LTRLoader whose workers stay alive between epochs: saves starting them, which matters where
    epochs are short.
    """

    def __init__(self, *args, **kwargs):
        given = (
            inspect.signature(LTRLoader).bind(*args, **kwargs).arguments
        )  # num_workers may come by position
        super().__init__(*args, **{"persistent_workers": given.get("num_workers", 0) > 0, **kwargs})


@contextlib.contextmanager
def parent_handles_ctrl_c() -> Iterator[None]:
    """Processes started inside the block ignore Ctrl-C: their parent stops them, without a
    traceback from each.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is None
    ):
        yield  # only the main thread may change it, and only what Python has set can be restored
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def ltr_collate(batch: Sequence) -> Any:
    """Join samples; tensors are stacked in dimension 0. See `_collate` for other types."""
    return _collate(batch, 0)


def ltr_collate_stack1(batch: Sequence) -> Any:
    """Join samples; tensors are stacked in dimension 1."""
    return _collate(batch, 1)


def samples_in(batch: Any, stack_dim: int = 0) -> int:
    """Return how many samples a batch joins, by its first tensor; 1 where there is none to tell."""
    if isinstance(batch, torch.Tensor):
        return batch.shape[stack_dim] if batch.dim() > stack_dim else 1
    parts = (
        batch.values()
        if isinstance(batch, Mapping)
        else batch
        if isinstance(batch, (list, tuple))
        else ()
    )
    return next(
        (
            part.shape[stack_dim]
            for part in parts
            if isinstance(part, torch.Tensor) and part.dim() > stack_dim
        ),
        1,
    )


def _collate(batch: Sequence, dim: int) -> Any:
    """Join samples by the type of the first.

    Tensors and arrays are stacked, numbers become a tensor (int64 or float64), text and None a
    list, containers are joined entry by entry and keep their kind (other sequences become lists).
    """
    first = batch[0]
    if isinstance(first, torch.Tensor):
        return torch.stack(list(batch), dim)
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind not in "biufc":
            raise TypeError(
                f"a batch cannot hold arrays of type {first.dtype}; convert them to numbers or "
                "lists"
            )
        if isinstance(first, np.generic) or first.ndim == 0:
            return torch.as_tensor(np.array(batch))
        return torch.stack([torch.as_tensor(item) for item in batch], dim)
    if isinstance(first, (bool, int)):
        return torch.tensor(batch, dtype=torch.int64)
    if isinstance(first, float):
        return torch.tensor(batch, dtype=torch.float64)
    if first is None or isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        joined = {key: _collate([sample[key] for sample in batch], dim) for key in first}
        return TensorDict(joined) if isinstance(first, TensorDict) else joined
    if isinstance(first, Sequence):
        entries = [_collate(items, dim) for items in zip(*batch, strict=True)]
        return TensorList(entries) if isinstance(first, TensorList) else entries
    raise TypeError(
        f"a batch cannot hold {type(first).__name__}; use tensors, arrays, numbers, text, dicts "
        "or lists"
    )


def _init_worker(worker_id: int) -> None:
    cv2.setNumThreads(
        0
    )  # the workers are the parallelism; OpenCV's threads would fight over the same cores


class _Keys:
    """Seed and epoch as they are now, shared by a loader and its samplers."""

    def __init__(self, seed: int | None):
        self.seed = seed
        self.epoch = 0

    def key(self, index: Any) -> tuple:
        return self.seed, self.epoch, index


class _KeyedSampler:
    """Passes seed and epoch to the workers along with each index: they hold copies of everything
    else.
    """

    def __init__(self, sampler: _Sized, keys: _Keys, batches: bool = False):
        self.sampler, self.keys, self.batches = sampler, keys, batches

    def __iter__(self) -> Iterator:
        for item in self.sampler:
            yield [self.keys.key(index) for index in item] if self.batches else self.keys.key(item)

    def __len__(self) -> int:
        return len(self.sampler)


class _Shared:
    """Gives this process its part of every batch, as large as any other's."""

    def __init__(self, batches: _Sized):
        self.batches = batches

    def __iter__(self) -> Iterator[list]:
        for batch in self.batches:
            if even := len(batch) // get_world_size() * get_world_size():
                yield batch[:even][rank_slice(even)]

    def __len__(self) -> int:
        return len(self.batches)


class _Shuffled:
    """Every index once, in an order that depends on seed and epoch."""

    def __init__(self, dataset, keys: _Keys):
        self.dataset, self.keys = dataset, keys

    def __iter__(self) -> Iterator[int]:
        seeded = (
            None
            if self.keys.seed is None
            else torch_generator(self.keys.seed, "order", self.keys.epoch)
        )
        return iter(RandomSampler(self.dataset, generator=seeded))

    def __len__(self) -> int:
        return len(self.dataset)


class _SeededSamples:
    """The data set, asked by (seed, epoch, index). Its other attributes are those of the data
    set.
    """

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, key: tuple) -> Any:
        seed, epoch, index = key
        if seed is None:
            return faults.catching(lambda: self.dataset[index])
        with global_seed(seed, "sample", epoch, index):
            return faults.catching(lambda: self.dataset[index])

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # not set yet, as while unpickling
            raise AttributeError(name)
        return getattr(self.dataset, name)
