"""Dropout whose random numbers cost little on a CPU.

torch draws a CPU mask one number after the other from its main generator, 5 ns each: in a training
step of TransT, with dropout on 27 million attention weights an image, more than all matrix products
of the fusion together. Here 8 bits decide about an element and a fast generator fills eight
elements at a time: 0.25 ns. So that its probability is still exact, each row has a threshold of its
own, one of two neighbouring multiples of 1 / 256 at random. GPUs keep torch's own dropout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

_STEPS = (
    2**16
)  # probabilities are rounded to 1 / 65536; `scale` is that of the rounded one, so means are exact


def is_fast(tensor: Tensor, dropout: float) -> bool:
    """Say whether masks for `tensor` come from here: it is on the CPU, in eager mode, and there is
    something to drop.
    """
    return (
        0 < round(dropout * _STEPS) < _STEPS - 256
        and tensor.device.type == "cpu"
        and not torch.compiler.is_compiling()
    )


def draw_seed() -> int:
    """A seed from torch's main generator, which it moves on: `torch.manual_seed` decides about
    everything here, too.
    """
    return int(torch.randint(2**62, ()))


class Masks:
    """The stream of masks that belongs to a seed; whoever needs a mask again starts anew rather
    than keep it.

    `scale` is what kept values are to be multiplied with, 1 / (1 - dropout).
    """

    def __init__(self, dropout: float, seed: int, dtype: torch.dtype = torch.float32):
        dropped = round(dropout * _STEPS)
        self.scale = _STEPS / (_STEPS - dropped)
        self._dtype, self._bits = dtype, np.random.SFC64(seed)
        whole, self._raised = divmod(
            dropped, 256
        )  # of 256 rows these many drop one more value of 256
        self._first_kept = whole - 128

    def take(self, rows: int, columns: int) -> Tensor:
        """The next mask (rows, columns), 0 where dropped and 1 elsewhere. Taking rows in one go or
        in parts is the same.
        """
        return self._mask(self._draw(rows, columns), columns)

    def each(self, sizes: Iterable[tuple[int, int]]) -> Iterator[Tensor]:
        """Return what `take` gives for these sizes, one after the other. A thread draws for the
        next mask while one is in use.
        """
        if torch.get_num_threads() == 1:
            yield from (self.take(*size) for size in sizes)
            return
        with ThreadPoolExecutor(1) as pool:
            before = None
            for size in sizes:
                coming = pool.submit(self._draw, *size), size[1]
                if before is not None:
                    yield self._mask(before[0].result(), before[1])
                before = coming
            if before is not None:
                yield self._mask(before[0].result(), before[1])

    def _draw(self, rows: int, columns: int) -> Tensor:
        """Numbers from -128 to 127: at least one a column, and the last of a row for its
        threshold.
        """
        words = -(-columns // 8) + 1  # of 64 bits in a row
        return torch.from_numpy(self._bits.random_raw(rows * words).view(np.int8)).view(
            rows, 8 * words
        )

    def _mask(self, draws: Tensor, columns: int) -> Tensor:
        first_kept = (draws[:, -1:] < self._raised - 128).to(torch.int8).add_(self._first_kept)
        return torch.ge(
            draws[:, :columns], first_kept, out=torch.empty(len(draws), columns, dtype=self._dtype)
        )


class Dropout(nn.Dropout):
    """`nn.Dropout`, fast on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape with elements dropped in training."""
        if not self.training or not is_fast(x, self.p) or not x.numel():
            return super().forward(x)
        masks = Masks(self.p, draw_seed(), x.dtype)
        return x * masks.take(x.numel() // x.shape[-1], x.shape[-1]).view(x.shape).mul_(masks.scale)
