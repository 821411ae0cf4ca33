"""Batches on their way to the device: on a GPU the next one is copied while the networks work on
this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from spot_ext.training.data.samples import SparseBatch
from spot_ext.training.progress import Stopwatch


def prefetch_to_device(
    batches: Iterable[SparseBatch], device: torch.device, watch: Stopwatch
) -> Iterator[SparseBatch]:
    """The batches on `device`; on a GPU one ahead of their use, on a stream of its own.

    Each crop travels once, as bytes, for teacher and student together. The wait for copies is
    charged to `upload`.
    """
    if device.type != "cuda":
        for batch in batches:
            with watch("upload"):
                moved = batch.to(device)
            yield moved
        return
    stream, waiting = torch.cuda.Stream(device), []
    for batch in batches:
        with watch("upload"), torch.cuda.stream(stream):
            waiting.append((batch.to(device), stream.record_event()))
        if len(waiting) > 1:
            yield _ready(*waiting.pop(0), device)
    for batch, copied in waiting:
        yield _ready(batch, copied, device)


def _ready(batch: SparseBatch, copied: torch.cuda.Event, device: torch.device) -> SparseBatch:
    """`batch` for the current stream, which waits for the copy; its memory is not given away before
    that stream is done.
    """
    current = torch.cuda.current_stream(device)
    current.wait_event(copied)
    for tensor in batch.tensors():
        tensor.record_stream(current)
    return batch
