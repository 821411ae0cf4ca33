"""Parts of a vision transformer (Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021):
what makes tokens of images, and blocks of attention and an MLP. Names of the state dict are timm's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from ltr.models.layers.attention import attention
from ltr.parallel.precision import differentiable_in_fp32_on_cpu

__all__ = ["MLP", "Block", "ConvStem", "JointAttention", "PatchEmbed"]

# Of the published networks; the usual 1e-5 changes their scores in the fifth digit.
NORM_EPS = 1e-6


class Block(nn.Module):
    """A transformer block in two halves: attention among all tokens, then an MLP on each."""

    def __init__(self, width: int, nheads: int, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = JointAttention(width, nheads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = MLP(width)
        self.drop_path = StochasticDepth(drop_path, "row")

    def attend(self, tokens: Tensor, rows: slice | None) -> tuple[Tensor, Tensor | None]:
        """Return what attention adds to the tokens; see `JointAttention`."""
        read, interest = self.attn(self.norm1(tokens), rows)
        return self.drop_path(read), interest

    def transform(self, tokens: Tensor) -> Tensor:
        """Return the tokens with what the MLP adds."""
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class JointAttention(nn.Module):
    """Multi-head attention of a sequence with itself, never with the whole matrix in memory."""

    def __init__(self, width: int, nheads: int):
        super().__init__()
        self.nheads = nheads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_BLC: Tensor, rows: slice | None) -> tuple[Tensor, Tensor | None]:
        """Return what each token reads (B, L, C), and with `rows` the attention (B, L) that these
        tokens pay to all, as the mean over the rows and the heads.
        """
        query, key, value = (
            part.unflatten(-1, (self.nheads, -1)).transpose(1, 2)
            for part in self.qkv(tokens_BLC).chunk(3, -1)
        )
        read = differentiable_in_fp32_on_cpu(attention, query, key, value)
        interest = None
        if rows is not None:
            with torch.no_grad():
                logits = query[:, :, rows] @ key.mT * query.shape[-1] ** -0.5
                interest = logits.float().softmax(-1).mean(2).mean(1)
        return self.proj(read.transpose(1, 2).flatten(-2)), interest


class MLP(nn.Module):
    """Two linear layers, four times as wide between them, with GELU."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map the last dimension to itself."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class PatchEmbed(nn.Module):
    """Makes one token of each square of 16 px."""

    stride = 16

    def __init__(self, width: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, self.stride, self.stride)

    def forward(self, images: Tensor) -> Tensor:
        """Return tokens (B, h*w, C) of images (B, 3, H, W), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


class ConvStem(nn.Module):
    """Makes one token of each square of 8 px by four convolutions: a small transformer learns from
    scratch with it (Xiao et al., "Early convolutions help transformers see better", NeurIPS 2021).
    """

    stride = 8

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for planes in (width // 4, width // 2, width):
            layers.append(nn.Conv2d(channels, planes, 3, 2, 1, bias=False))
            layers.append(nn.BatchNorm2d(planes))
            layers.append(nn.ReLU(inplace=True))
            channels = planes
        self.stem = nn.Sequential(*layers)
        self.proj = nn.Conv2d(width, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return tokens (B, h*w, C) of images (B, 3, H, W), row by row."""
        return self.proj(self.stem(images)).flatten(2).transpose(1, 2)
