"""Weights and inputs that both sides of a comparison build from (seed, name), so that only results
have to be stored.

The rules are those of the reference numbers' README: float32 draws of a CPU generator whose seed is
a CRC of the name.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def generator(seed: int, name: str) -> torch.Generator:
    """The generator that belongs to a name."""
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}:{name}".encode()) % 2**31)


def weight(seed: int, name: str, like: Tensor, variant: str) -> Tensor:
    """The value of a state dict's entry. Integer entries stay as they are.

    Variant 'zm' takes the mean out of every filter: features then depend on the position, not on
    brightness alone.
    """
    if not like.is_floating_point():
        return like
    draw = torch.randn(tuple(like.shape), generator=generator(seed, name))
    if name.endswith("running_var"):
        return 0.75 + 0.5 * draw.abs()
    if name.endswith(("running_mean", "bias")):
        return 0.05 * draw
    if like.dim() == 1 and name.endswith("weight"):
        return 1 + 0.05 * draw
    if variant == "zm" and draw.dim() > 1:
        draw = draw - draw.mean(dim=tuple(range(1, draw.dim())), keepdim=True)
    return draw * (1 / math.sqrt(like.numel() / like.shape[0]))


def fill(net: nn.Module, seed: int, variant: str = "plain") -> nn.Module:
    """Give every float entry of `net` its value; counters of batch norms start at 0."""
    state = {name: weight(seed, name, value, variant) for name, value in net.state_dict().items()}
    net.load_state_dict(
        {
            name: value if value.is_floating_point() else torch.zeros_like(value)
            for name, value in state.items()
        }
    )
    return net


@torch.no_grad()
def realistic_boxes(net: nn.Module) -> None:
    """Let TransT's box head answer near the centre, about a quarter of the search crop in size
    ('_box').
    """
    last = net.bbox_embed.layers[2]
    last.weight *= 0.5
    last.bias.copy_(torch.tensor([0.0, 0.0, -1.1, -1.1]))


@torch.no_grad()
def sharp_scores(net: nn.Module, scale: float, bias: Sequence[float]) -> None:
    """Let TransT's classification, not the window alone, decide the best position ('_sharp')."""
    last = net.class_embed.layers[2]
    last.weight *= scale
    last.bias.copy_(torch.tensor(bias, dtype=torch.float32))


def image(seed: int, name: str, height: int, width: int, cell: int, count: int) -> Tensor:
    """Smooth random images (count, 3, H, W) uint8: integer bilinear interpolation of nodes `cell`
    pixels apart.
    """
    rows, columns = -(-height // cell) + 1, -(-width // cell) + 1
    nodes = torch.randint(0, 256, (count, 3, rows, columns), generator=generator(seed, name))
    y, x = torch.arange(height), torch.arange(width)
    across = nodes[..., x // cell] * (cell - x % cell) + nodes[..., x // cell + 1] * (
        x % cell
    )  # (count, 3, rows, W)
    down = (y % cell)[:, None]
    total = across[..., y // cell, :] * (cell - down) + across[..., y // cell + 1, :] * down
    return ((total + cell * cell // 2) // (cell * cell)).to(torch.uint8)
