"""Ocean: an anchor-free Siamese network whose scores are checked at the box it predicts, and the
factories that build it.

`forward(search, template)` serves training; `template(z)` once and `track(x)` per frame serve
tracking. `encode_template` and `match` are the same without stored state. Source: Ocean (ECCV 2020)
with SPOT's IoU head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.ocean_backbone import OceanResNet, UnpaddedResNet, map_cells
from ltr.models.folding import fold_norms
from ltr.models.neck.ocean_fusion import OceanFusion
from ltr.parallel.device import settings_device
from ltr.parallel.precision import outside_autocast

__all__ = ["Ocean", "OceanSettings", "from_state_dict", "grid", "ocean_resnet50", "ocean_small"]

STRIDE = 8  # px between neighbouring positions
TEMPLATE_CELLS = (
    7  # the centre of the template's map that is compared; 8 of a map with an even number
)
_ENTRY = "connect_model.bbox_tower.0.weight"


def grid(cells: int, crop_size: int, like: Tensor) -> Tensor:
    """X or y of each of `cells` positions in a search crop of `crop_size` px, (cells,): 8 px apart,
    around the centre.
    """
    offsets = torch.arange(cells, device=like.device, dtype=like.dtype) - (cells - 1) / 2
    return STRIDE * offsets + (crop_size - 1) / 2


class Neck(nn.Module):
    """Reduces the backbone's channels, and cuts templates to their centre."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.downsample = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, features: Tensor, template: bool) -> Tensor:
        """(B, channels, n, n), of a template its middle 7 x 7 cells."""
        features = self.downsample(features)
        rim = (features.shape[-1] - TEMPLATE_CELLS) // 2 if template else 0
        return features[..., rim:-rim, rim:-rim] if rim else features


class DeformableConv(nn.Module):
    """3x3 convolution whose nine taps are moved apart at every position."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, features: Tensor, offsets_B18HW: Tensor) -> Tensor:
        return outside_autocast(self._convolve, features, offsets_B18HW)

    def _convolve(self, features: Tensor, offsets_B18HW: Tensor) -> Tensor:
        return deform_conv2d(features, offsets_B18HW, self.conv.weight, padding=1)


class AlignHead(nn.Module):
    """A second score for every position, read where its predicted box is instead of around the
    position itself.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.rpn_conv = DeformableConv(channels)
        self.rpn_cls = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Tensor, offsets_B18HW: Tensor) -> Tensor:
        """Logits (B, 1, m, m)."""
        return self.rpn_cls(F.relu(self.rpn_conv(features, offsets_B18HW)))


def box_offsets(ltrb: Tensor) -> Tensor:
    """Return how far the taps of a 3x3 convolution move to span predicted boxes: (B, 18, m, m)
    cells, (y, x) of each tap.

    `ltrb` (B, 4, m, m) are distances from the position in px. The outer taps go to the box's sides.
    """
    left, top, right, bottom = ltrb.unbind(1)
    taps = torch.arange(-1, 2, dtype=ltrb.dtype, device=ltrb.device).view(
        1, 3, 1, 1
    )  # made there: CUDA graphs allow no copy
    # pixel boxes include their last row and column, hence the 1 and the half pixel
    y = (
        taps * ((top + bottom + 1) / (2 * STRIDE) - 1)[:, None]
        + ((bottom - top - 1) / (2 * STRIDE))[:, None]
    )
    x = (
        taps * ((left + right + 1) / (2 * STRIDE) - 1)[:, None]
        + ((right - left - 1) / (2 * STRIDE))[:, None]
    )
    pairs = torch.stack(
        [y[:, :, None].expand(-1, -1, 3, -1, -1), x[:, None].expand(-1, 3, -1, -1, -1)], 3
    )
    return pairs.flatten(1, 3)


class Ocean(nn.Module):
    """Backbone, neck, correlation with its towers, and the align head.

    Predictions are maps of m x m positions, `STRIDE` px apart around the centre of the search crop
    (see `grid`): `pred_logits` (B, 1, m, m) of being the target, `pred_boxes` (B, 4, m, m)
    distances to the left, top, right and bottom side in px, `align_logits` (B, 1, m, m), and with
    an IoU head `pred_ious` (B, 1, m, m) in 0..1.

    Images are (B, 3, H, W) in ImageNet normalisation. `template_sz` and `search_sz` are the crop
    sizes in px.
    """

    def __init__(
        self,
        backbone: OceanResNet,
        fusion: OceanFusion,
        channels: int,
        template_sz: int,
        search_sz: int,
    ):
        super().__init__()
        self.features = backbone
        self.connect_model = fusion
        self.align_head = AlignHead(channels)
        self.neck = Neck(backbone.features.channels, channels)
        self.template_sz, self.search_sz = template_sz, search_sz
        self.stride = STRIDE
        self.info: dict | None = {
            "template_sz": template_sz,
            "search_sz": search_sz,
        }  # what a checkpoint stores
        self.zf: Tensor | None = None

    def forward(
        self, search: Tensor, template: Tensor, iou_rows: int | None = None
    ) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W) given template crops (B, 3, h, w). Note the
        order.

        `iou_rows` limits `pred_ious` to the first so many samples.
        """
        features = self.encode_template(
            template
        )  # first, so that batch norms average as in the reference's training
        return self.match(features, search, iou_rows)

    def encode_template(self, template: Tensor) -> Tensor:
        """Features (B, C, 7, 7) of templates, to be indexed or repeated along B and given to
        `match`.
        """
        return self.neck(self.features(template), template=True)

    def match(
        self, template_features: Tensor, search: Tensor, iou_rows: int | None = None
    ) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W), one for each of the B templates encoded
        before.
        """
        searched = self.neck(self.features(search), template=False)
        fusion = self.connect_model
        outputs, features = fusion(
            fusion.encode(template_features, "k"), fusion.encode(searched, "s"), iou_rows
        )
        outputs["align_logits"] = self.align_head(features, box_offsets(outputs["pred_boxes"]))
        return outputs

    @torch.no_grad()
    def template(self, z: Tensor) -> None:
        """Store the template (1, 3, h, w) that `track` looks for. Tracking keeps no gradients."""
        self.zf = self.encode_template(z)

    @torch.no_grad()
    def track(self, x: Tensor) -> dict[str, Tensor]:
        """Predictions for a search crop (1, 3, H, W), given the stored template."""
        if self.zf is None:
            raise RuntimeError(
                "Ocean.track was called before Ocean.template; give the template crop to it first"
            )
        return self.match(self.zf, x)

    def fold_norms(self) -> None:
        """Make inference faster, in place: batch norms become part of the convolutions before them.
        Needs eval mode.
        """
        fold_norms(self, (UnpaddedResNet,))


@dataclass(frozen=True)
class OceanSettings:
    """Sizes and options of an Ocean. The defaults are the published network."""

    blocks: tuple[int, ...] = (3, 4, 6)  # residual blocks of layer1 to layer3
    width: int = 64  # channels of the first layer; time grows with its square
    channels: int = 256  # of the correlation and the towers
    depth: int = 4  # convolutions of each tower
    iou_head: bool = True  # predict the IoU of each box: SPOT's filter needs it
    backbone_pretrained: bool = False
    backbone_weights: str | None = (
        None  # torchvision's ResNet-50 file; setting it implies backbone_pretrained
    )
    frozen_backbone_layers: str | tuple[str, ...] = ("conv1", "bn1")
    template_sz: int = 127
    search_sz: int = 255

    @classmethod
    def collect(cls, settings, options: Mapping) -> OceanSettings:
        """The defaults, overridden by the attributes `settings` has, overridden by `options`."""
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise BadValue(
                    f"Ocean has no option '{name}'{suggestion(name, names)}; it takes "
                    f"{', '.join(names)}"
                )
        given = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        return replace(cls(), **{**given, **options})


@model_constructor
def ocean_resnet50(settings=None, network: str = "student", **options) -> Ocean:
    """Full-size Ocean. Options are the fields of `OceanSettings`; `settings` may be a
    train-settings object with some.

    `network` is 'student' or 'teacher', as published checkpoints have it: they are built alike.
    """
    if network not in ("student", "teacher"):
        raise BadValue(f"network='{network}' is not known; choose 'student' or 'teacher'")
    return _build(OceanSettings.collect(settings, options)).to(settings_device(settings))


@model_constructor
def ocean_small(
    width: int = 12,
    channels: int = 48,
    depth: int = 2,
    template_sz: int = 63,
    search_sz: int = 127,
    iou_head: bool = True,
) -> Ocean:
    """Ocean for small crops and two CPU cores: trains in minutes. Its map has 9 x 9 positions."""
    return _build(
        OceanSettings(
            (1, 1, 1),
            width,
            channels,
            depth,
            iou_head,
            frozen_backbone_layers=(),
            template_sz=template_sz,
            search_sz=search_sz,
        )
    )


def _build(chosen: OceanSettings) -> Ocean:
    for name in ("template_sz", "search_sz"):
        size = getattr(chosen, name)
        if map_cells(size) < TEMPLATE_CELLS:
            raise BadValue(
                f"{name}={size} is too small for Ocean: its map has {max(map_cells(size), 0)} "
                "cells on a side and "
                f"{TEMPLATE_CELLS} are compared; give at least 63"
            )
    body = UnpaddedResNet(chosen.blocks, chosen.width, chosen.frozen_backbone_layers)
    backbone = OceanResNet(body, chosen.backbone_pretrained, chosen.backbone_weights)
    fusion = OceanFusion(chosen.channels, chosen.depth, chosen.iou_head)
    return Ocean(backbone, fusion, chosen.channels, chosen.template_sz, chosen.search_sz)


def from_state_dict(state_dict: Mapping[str, Tensor], net_info: Mapping | None = None) -> Ocean:
    """Rebuild an Ocean, of any size, from the shapes in a checkpoint's `net` and load it; the
    network is in eval mode.

    `net_info` is the checkpoint's entry of that name: it holds the crop sizes, which shapes cannot
    tell.
    """
    state = {name.removeprefix("module."): value for name, value in state_dict.items()}
    if _ENTRY not in state:
        raise BadValue(
            f"these weights are not Ocean's: there is no entry '{_ENTRY}' among {len(state)}; "
            "give an Ocean or "
            "SPOT-Ocean checkpoint"
        )
    known = {
        name: value
        for name, value in (net_info or {}).items()
        if name in ("template_sz", "search_sz")
    }
    net = _build(OceanSettings(_blocks(state), frozen_backbone_layers=(), **sizes(state), **known))
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise BadValue(
            "the weights look like Ocean's but do not fit it: "
            f"{' '.join(str(error).split())[:300]}; "
            "the checkpoint is damaged or of another network"
        ) from error
    return net.eval()


def sizes(state: Mapping[str, Tensor]) -> dict:
    """The options of both factories that the shapes of Ocean's weights tell."""
    stem = "features.features.conv1.weight"
    if stem not in state:
        raise BadValue(
            f"the weights look like Ocean's but have no entry '{stem}'; the checkpoint is damaged"
        )
    return {
        "width": state[stem].shape[0],
        "channels": state[_ENTRY].shape[0],
        "depth": _count(state, "connect_model.bbox_tower.", ".running_mean"),
        "iou_head": "connect_model.iou_pred.weight" in state,
    }


def _blocks(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    return tuple(
        _count(state, f"features.features.layer{number}.", ".conv1.weight") for number in (1, 2, 3)
    )


def _count(state: Mapping[str, Tensor], start: str, end: str) -> int:
    return sum(name.startswith(start) and name.endswith(end) for name in state)
