"""Position codes added to feature maps before attention (TransT, section "TransT head" of the
network notes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion


class PositionEmbeddingSine(nn.Module):
    """Fixed sine code: `num_pos_feats` features for y followed by as many for x, sines and cosines
    interleaved.

    Positions are counted from 1; with `normalize` they are divided by the last one and multiplied
    by `scale` (default 2 pi), so that the code covers the same range whatever the size of the map.
    A higher `temperature` stretches the longest wavelength. The code depends only on the size of
    the map and is kept between calls.
    """

    def __init__(
        self,
        num_pos_feats: int = 64,
        temperature: float = 10000,
        normalize: bool = False,
        scale: float | None = None,
    ):
        super().__init__()
        if scale is not None and not normalize:
            raise ValueError(
                f"PositionEmbeddingSine: scale={scale} has an effect only with normalize=True"
            )
        self.num_pos_feats = num_pos_feats
        self.temperature = temperature
        self.normalize = normalize
        self.scale = 2 * math.pi if scale is None else scale
        self._codes: dict[tuple, Tensor] = {}

    def forward(self, features) -> Tensor:
        """Code of a map (B, C, h, w): (1, 2*num_pos_feats, h, w), or (B, ...) for a NestedTensor,
        whose masked (padded) cells are not counted.
        """
        mask = getattr(features, "mask", None)
        if mask is not None:
            return self._encode(~mask).to(features.tensors.dtype)
        height, width = features.shape[-2:]
        key = (height, width, features.dtype, features.device)
        if key not in self._codes:
            with torch.inference_mode(
                False
            ):  # a code made during tracking must stay usable in training
                cells = torch.ones(1, height, width, dtype=torch.bool, device=features.device)
                self._codes[key] = self._encode(cells).to(features.dtype)
        return self._codes[key]

    def _encode(self, valid_BHW: Tensor) -> Tensor:
        y = valid_BHW.cumsum(1, dtype=torch.float32)
        x = valid_BHW.cumsum(2, dtype=torch.float32)
        if self.normalize:
            y = y / (y[:, -1:, :] + 1e-6) * self.scale
            x = x / (x[:, :, -1:] + 1e-6) * self.scale
        index = torch.arange(self.num_pos_feats, dtype=torch.float32, device=valid_BHW.device)
        wavelength = self.temperature ** (2 * (index // 2) / self.num_pos_feats)

        def waves(position_BHW: Tensor) -> Tensor:
            phase = position_BHW[..., None] / wavelength
            return torch.stack((phase[..., 0::2].sin(), phase[..., 1::2].cos()), dim=-1).flatten(-2)

        return torch.cat((waves(y), waves(x)), dim=-1).permute(0, 3, 1, 2).contiguous()


class PositionEmbeddingLearned(nn.Module):
    """Learned code for maps of up to 50 x 50 cells: one table for columns, one for rows,
    concatenated in this order.
    """

    table_size = 50

    def __init__(self, num_pos_feats: int = 256):
        super().__init__()
        self.row_embed = nn.Embedding(self.table_size, num_pos_feats)
        self.col_embed = nn.Embedding(self.table_size, num_pos_feats)
        nn.init.uniform_(self.row_embed.weight)
        nn.init.uniform_(self.col_embed.weight)

    def forward(self, features) -> Tensor:
        """Code of a map (B, C, h, w) or a NestedTensor: (1, 2*num_pos_feats, h, w)."""
        height, width = getattr(features, "tensors", features).shape[-2:]
        if max(height, width) > self.table_size:
            raise BadValue(
                f"PositionEmbeddingLearned: a map of {height}x{width} cells exceeds its table of "
                f"{self.table_size}; use position_embedding='sine' for images of this size"
            )
        columns = self.col_embed.weight[:width].T[:, None, :].expand(-1, height, -1)
        rows = self.row_embed.weight[:height].T[:, :, None].expand(-1, -1, width)
        return torch.cat((columns, rows))[None]


def build_position_encoding(settings) -> nn.Module:
    """Position code named by `settings.position_embedding` ('sine' or 'learned') for
    `settings.hidden_dim` channels.
    """
    features_per_axis = settings.hidden_dim // 2
    name = settings.position_embedding
    if name in ("sine", "v2"):
        return PositionEmbeddingSine(features_per_axis, normalize=True)
    if name in ("learned", "v3"):
        return PositionEmbeddingLearned(features_per_axis)
    raise BadValue(
        f"position_embedding '{name}' is not known{suggestion(name, ('sine', 'learned'))}; "
        "choose 'sine' or 'learned'"
    )
