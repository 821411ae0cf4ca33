"""TransT's feature fusion: template and search features exchange information through attention.

The encoder alternates self-attention within each image and cross-attention between the two; the
decoder then reads the template once more from every search position. Post-norm throughout.
Positions enter queries and keys, never values.

Attention runs through `scaled_dot_product_attention`, or with dropout on a CPU through its like of
ours; neither needs a (positions x positions) matrix in memory: at 1024 search positions and 8 heads
that alone is 33 MB an image and layer.
"""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.models.layers.attention import attention
from ltr.models.layers.dropout import Dropout
from ltr.parallel.precision import differentiable_in_fp32_on_cpu

_ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}


class Attention(nn.Module):
    """Multi-head attention on (B, N, C), with the parameter names of `nn.MultiheadAttention`.

    `dropout` acts on the attention weights during training.
    """

    def __init__(self, d_model: int, nhead: int, dropout: float = 0.0):
        super().__init__()
        if d_model % nhead:
            raise BadValue(
                f"hidden_dim {d_model} cannot be split into {nhead} heads; choose nheads that "
                "divides it"
            )
        joint = nn.Linear(d_model, 3 * d_model)  # query, key and value projections, stacked
        self.in_proj_weight = joint.weight
        self.in_proj_bias = joint.bias
        self.out_proj = nn.Linear(d_model, d_model)
        self.nhead = nhead
        self.dropout = dropout
        nn.init.zeros_(self.in_proj_bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query_BNC: Tensor,
        key_BMC: Tensor,
        value_BMC: Tensor,
        ignored_BM: Tensor | None = None,
    ) -> Tensor:
        """Return what each query reads from the values: (B, N, C). Keys where `ignored_BM` is true
        are not read.
        """
        width = query_BNC.shape[-1]
        if query_BNC is key_BMC:
            projected = F.linear(
                query_BNC, self.in_proj_weight[: 2 * width], self.in_proj_bias[: 2 * width]
            )
            query, key = projected.split(width, dim=-1)
        else:
            query = F.linear(query_BNC, self.in_proj_weight[:width], self.in_proj_bias[:width])
            key = F.linear(
                key_BMC,
                self.in_proj_weight[width : 2 * width],
                self.in_proj_bias[width : 2 * width],
            )
        value = F.linear(
            value_BMC, self.in_proj_weight[2 * width :], self.in_proj_bias[2 * width :]
        )

        query, key, value = (
            x.unflatten(-1, (self.nhead, -1)).transpose(1, 2) for x in (query, key, value)
        )
        allowed = None if ignored_BM is None else ~ignored_BM[:, None, None, :]
        read = differentiable_in_fp32_on_cpu(
            attention,
            query,
            key,
            value,
            attn_mask=allowed,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(read.transpose(1, 2).flatten(-2))


class FeatureFusionLayer(nn.Module):
    """An encoder layer. In names, a first digit 1 is the template stream, 2 the search stream."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ):
        super().__init__()
        self.self_attn1 = Attention(d_model, nhead, dropout)
        self.self_attn2 = Attention(d_model, nhead, dropout)
        self.multihead_attn1 = Attention(d_model, nhead, dropout)
        self.multihead_attn2 = Attention(d_model, nhead, dropout)
        self.linear11 = nn.Linear(d_model, dim_feedforward)
        self.linear12 = nn.Linear(dim_feedforward, d_model)
        self.linear21 = nn.Linear(d_model, dim_feedforward)
        self.linear22 = nn.Linear(dim_feedforward, d_model)
        self.norm11 = nn.LayerNorm(d_model)
        self.norm12 = nn.LayerNorm(d_model)
        self.norm13 = nn.LayerNorm(d_model)
        self.norm21 = nn.LayerNorm(d_model)
        self.norm22 = nn.LayerNorm(d_model)
        self.norm23 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        pos_template: Tensor,
        pos_search: Tensor,
        ignored_template: Tensor | None = None,
        ignored_search: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Update both streams, (B, N, C) each. Both cross-attentions read the same, not yet
        updated, states.
        """
        drop = self.dropout

        placed = template + pos_template
        template = self.norm11(
            template + drop(self.self_attn1(placed, placed, template, ignored_template))
        )
        placed = search + pos_search
        search = self.norm21(search + drop(self.self_attn2(placed, placed, search, ignored_search)))

        placed_template, placed_search = template + pos_template, search + pos_search
        from_search = self.multihead_attn1(placed_template, placed_search, search, ignored_search)
        from_template = self.multihead_attn2(
            placed_search, placed_template, template, ignored_template
        )
        template = self.norm12(template + drop(from_search))
        search = self.norm22(search + drop(from_template))

        hidden = drop(self.activation(self.linear11(template)))
        template = self.norm13(template + drop(self.linear12(hidden)))
        hidden = drop(self.activation(self.linear21(search)))
        search = self.norm23(search + drop(self.linear22(hidden)))
        return template, search


class DecoderCFALayer(nn.Module):
    """The decoder layer: every search position reads the template."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ):
        super().__init__()
        self.multihead_attn = Attention(d_model, nhead, dropout)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        pos_template: Tensor,
        pos_search: Tensor,
        ignored_template: Tensor | None = None,
    ) -> Tensor:
        """Updated search stream (B, N, C)."""
        drop = self.dropout
        read = self.multihead_attn(
            search + pos_search, template + pos_template, template, ignored_template
        )
        search = self.norm1(search + drop(read))
        hidden = drop(self.activation(self.linear1(search)))
        return self.norm2(search + drop(self.linear2(hidden)))


class Encoder(nn.Module):
    """`num_layers` copies of a fusion layer, one after the other."""

    def __init__(self, layer: FeatureFusionLayer, num_layers: int):
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        pos_template: Tensor,
        pos_search: Tensor,
        ignored_template: Tensor | None = None,
        ignored_search: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Template and search streams after all layers."""
        for layer in self.layers:
            template, search = layer(
                template, search, pos_template, pos_search, ignored_template, ignored_search
            )
        return template, search


class Decoder(nn.Module):
    """A decoder layer and the final norm."""

    def __init__(self, layer: DecoderCFALayer, norm: nn.Module | None = None):
        super().__init__()
        self.layers = nn.ModuleList([layer])
        self.norm = norm

    def forward(
        self,
        template: Tensor,
        search: Tensor,
        pos_template: Tensor,
        pos_search: Tensor,
        ignored_template: Tensor | None = None,
    ) -> Tensor:
        """Search stream (B, N, C), normalised."""
        for layer in self.layers:
            search = layer(template, search, pos_template, pos_search, ignored_template)
        return search if self.norm is None else self.norm(search)


class FeatureFusionNetwork(nn.Module):
    """Encoder and decoder. More fusion layers match better; each has 3.2 M parameters at the
    published widths.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_featurefusion_layers: int = 4,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ):
        super().__init__()
        fusion_layer = FeatureFusionLayer(d_model, nhead, dim_feedforward, dropout, activation)
        self.encoder = Encoder(fusion_layer, num_featurefusion_layers)
        decoder_layer = DecoderCFALayer(d_model, nhead, dim_feedforward, dropout, activation)
        self.decoder = Decoder(decoder_layer, nn.LayerNorm(d_model))
        self.d_model = d_model
        self.nhead = nhead
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)  # also makes the copied encoder layers differ

    def forward(
        self,
        src_temp: Tensor,
        mask_temp: Tensor | None,
        src_search: Tensor,
        mask_search: Tensor | None,
        pos_temp: Tensor,
        pos_search: Tensor,
    ) -> Tensor:
        """Fused search features (1, B, N, C), N = h*w search positions in row-major order.

        Features and position codes are (B or 1, C, h, w); masks (B, h, w) are true on padding, or
        None (the fast path).
        """
        template, search, pos_temp, pos_search = (
            x.flatten(2).transpose(1, 2).contiguous()
            for x in (src_temp, src_search, pos_temp, pos_search)
        )
        mask_temp, mask_search = (
            None if mask is None else mask.flatten(1) for mask in (mask_temp, mask_search)
        )
        template, search = self.encoder(
            template, search, pos_temp, pos_search, mask_temp, mask_search
        )
        return self.decoder(template, search, pos_temp, pos_search, mask_temp)[None]


def build_featurefusion_network(settings) -> FeatureFusionNetwork:
    """Fusion network from `settings`: hidden_dim, nheads, featurefusion_layers, dim_feedforward,
    dropout.
    """
    return FeatureFusionNetwork(
        settings.hidden_dim,
        settings.nheads,
        settings.featurefusion_layers,
        settings.dim_feedforward,
        settings.dropout,
    )


def _activation(name: str):
    if name not in _ACTIVATIONS:
        raise BadValue(
            f"activation '{name}' is not known{suggestion(name, _ACTIVATIONS)}; "
            f"choose one of {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]
