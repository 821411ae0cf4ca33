"""Dropout whose random numbers cost little on a CPU.

torch draws a CPU mask one number after the other from its main generator, 5 ns each: in a training step of TransT, with
dropout on 27 million attention weights an image, more than all matrix products of the fusion together. Here 16 bits decide
about an element and a fast generator fills four elements at a time: 0.5 ns. GPUs keep torch's own dropout.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_STEPS = 2 ** 16  # probabilities are rounded to 1 / 65536; `scale` is that of the rounded one, so means are exact


def is_fast(tensor: Tensor, dropout: float) -> bool:
    """Whether masks for `tensor` come from here: it is on the CPU, in eager mode, and there is something to drop."""
    return 0 < round(dropout * _STEPS) < _STEPS and tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def draw_seed() -> int:
    """A seed from torch's main generator, which it moves on: `torch.manual_seed` decides about everything here, too."""
    return int(torch.randint(2 ** 62, ()))


class Masks:
    """The stream of masks that belongs to a seed; whoever needs a mask again starts anew rather than keep it.

    `scale` is what kept values are to be multiplied with, 1 / (1 - dropout).
    """

    def __init__(self, dropout: float, seed: int, dtype: torch.dtype = torch.float32):
        dropped = round(dropout * _STEPS)
        self.scale = _STEPS / (_STEPS - dropped)
        self._first_kept, self._dtype, self._bits = dropped - _STEPS // 2, dtype, np.random.SFC64(seed)

    def take(self, rows: int, columns: int) -> Tensor:
        """The next mask (rows, columns), 0 where dropped and 1 elsewhere. Taking rows in one go or in parts is the same."""
        words = -(-columns // 4)  # of 64 bits in a row
        draws = torch.from_numpy(self._bits.random_raw(rows * words).view(np.int16)).view(rows, 4 * words)[:, :columns]
        return torch.ge(draws, self._first_kept, out=torch.empty(rows, columns, dtype=self._dtype))


class Dropout(nn.Dropout):
    """`nn.Dropout`, fast on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape with elements dropped in training."""
        if not self.training or not is_fast(x, self.p) or not x.numel():
            return super().forward(x)
        masks = Masks(self.p, draw_seed(), x.dtype)
        return x * masks.take(x.numel() // x.shape[-1], x.shape[-1]).view(x.shape).mul_(masks.scale)
