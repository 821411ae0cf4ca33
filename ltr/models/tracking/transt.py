"""TransT: a Siamese network that matches a template with a search crop by attention, and the
factories that build it.

`forward(search, template)` serves training; `template(z)` once and `track(x)` per frame serve
tracking. `encode_template` and `match` are the same without stored state, for batches of templates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.transt_backbone import (
    Joiner,
    SmallBackbone,
    SmallResNet,
    TruncatedResNet50,
    build_backbone,
)
from ltr.models.folding import fold_norms
from ltr.models.loss.transt_criterion import SetCriterion, transt_loss
from ltr.models.neck.featurefusion_network import FeatureFusionNetwork, build_featurefusion_network
from ltr.models.neck.position_encoding import build_position_encoding
from ltr.parallel.device import settings_device
from ltr.parallel.precision import outside_autocast

__all__ = [
    "MLP",
    "SetCriterion",
    "TransT",
    "TransTSettings",
    "from_state_dict",
    "transt_loss",
    "transt_resnet50",
    "transt_small",
]

_LAYERS = "featurefusion_network.encoder.layers."


class MLP(nn.Module):
    """`num_layers` linear layers with ReLU between them."""

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, num_layers: int):
        super().__init__()
        widths = [input_dim] + [hidden_dim] * (num_layers - 1) + [output_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Map the last dimension from `input_dim` to `output_dim`."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class TransT(nn.Module):
    """Backbone, feature fusion and one prediction per search position.

    Predictions for N = (H/stride)*(W/stride) positions in row-major order: `pred_logits` (B, N,
    num_classes+1), index 0 = target, last = background; `pred_boxes` (B, N, 4) cxcywh in units of
    the search crop; with `iou_head` also `pred_ious` (B, N, 1) in 0..1, how well each box is
    expected to overlap the target. The IoU head reads detached features: it judges the boxes and
    does not change them.

    Images are (B, 3, H, W) in ImageNet normalisation; a NestedTensor without padding is taken as
    well. `template_sz` and `search_sz` are the crop sizes in pixels the network is meant for.

    With `relative_boxes` the box head says how far the box's centre is from its position, rather
    than where it is in the crop. TransT does not: it must first learn to pass positions through
    attention, which takes a small network longer than everything else. It has no parameters and
    changes no names.
    """

    def __init__(
        self,
        backbone: Joiner,
        featurefusion_network: FeatureFusionNetwork,
        num_classes: int = 1,
        iou_head: bool = False,
        relative_boxes: bool = False,
    ):
        super().__init__()
        width = featurefusion_network.d_model
        self.relative_boxes = relative_boxes
        # The order of the children is the order of parameters in the optimiser states of published
        # checkpoints.
        self.featurefusion_network = featurefusion_network
        self.class_embed = MLP(width, width, num_classes + 1, 3)
        self.bbox_embed = MLP(width, width, 4, 3)
        self.input_proj = nn.Conv2d(backbone.num_channels, width, 1)
        self.backbone = backbone
        if iou_head:
            self.iou_embed = MLP(width, width, 1, 3)
        self.stride = backbone.stride
        self.template_sz = 128
        self.search_sz = 256
        self.info: dict | None = None  # what a checkpoint stores as net_info
        self.zf: Tensor | None = None
        self.pos_template: Tensor | None = None

    @property
    def has_iou_head(self) -> bool:
        """Say whether predictions hold `pred_ious`."""
        return hasattr(self, "iou_embed")

    def forward(self, search, template) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W) given template crops (B, 3, h, w). Note the
        order.
        """
        search_features = self._encode(
            search
        )  # first, so that batch norms average as in the reference's training
        template_features = self.encode_template(template)
        return self._predict(
            template_features, self.backbone[1](template_features), search_features
        )

    def encode_template(self, template) -> Tensor:
        """Features (B, C, h/stride, w/stride) of templates, to be indexed or repeated along B and
        given to `match`.
        """
        return self._encode(template)

    def match(self, template_features: Tensor, search) -> dict[str, Tensor]:
        """Predictions for search crops (B, 3, H, W), one for each of the B templates encoded
        before.
        """
        return self._predict(
            template_features, self.backbone[1](template_features), self._encode(search)
        )

    @torch.no_grad()
    def template(self, z) -> None:
        """Store the template (1, 3, h, w) that `track` looks for. Tracking keeps no gradients."""
        self.zf = self.encode_template(z)
        self.pos_template = self.backbone[1](self.zf)

    @torch.no_grad()
    def track(self, x) -> dict[str, Tensor]:
        """Predictions for a search crop (1, 3, H, W), given the stored template."""
        if self.zf is None:
            raise RuntimeError(
                "TransT.track was called before TransT.template; give the template crop to it first"
            )
        assert self.pos_template is not None
        return self._predict(self.zf, self.pos_template, self._encode(x))

    def fold_norms(self) -> None:
        """Make inference faster, in place: the backbone's batch norms become part of its
        convolutions. Needs eval mode.
        """
        fold_norms(self.backbone, (TruncatedResNet50, SmallResNet))

    def _encode(self, images) -> Tensor:
        images = _images(images)
        if torch.is_autocast_enabled(
            images.device.type
        ):  # bf16 convolutions are made for channels-last; outputs follow
            images = images.contiguous(memory_format=torch.channels_last)
        return self._features(self.backbone[0](images))

    def _features(self, maps: Sequence[Tensor]) -> Tensor:
        """Return what is fused, of the backbone's maps."""
        return self.input_proj(maps[-1])

    def positions(self, cells: int) -> tuple[float, float]:
        """Where the first of so many columns or rows has its centre, and the distance to the next,
        in crop units.
        """
        return 0.5 / cells, 1 / cells

    def _position_logits(self, features: Tensor) -> Tensor:
        """Inverse sigmoid of each position's centre (cx, cy, 0, 0), (1, h*w, 4) row-major, for a
        map (B, C, h, w).
        """
        lines = [
            torch.arange(cells, device=features.device, dtype=features.dtype) * pitch + first
            for cells in features.shape[-2:]
            for first, pitch in [self.positions(cells)]
        ]
        y, x = torch.meshgrid(*lines, indexing="ij")
        return F.pad(torch.stack([x.flatten(), y.flatten()], -1).logit(), (0, 2))[None]

    def _predict(
        self, template_features: Tensor, pos_template: Tensor, search_features: Tensor
    ) -> dict[str, Tensor]:
        fused = self.featurefusion_network(
            template_features,
            None,
            search_features,
            None,
            pos_template,
            self.backbone[1](search_features),
        )[0]
        boxes = outside_autocast(self.bbox_embed, fused)
        if self.relative_boxes:
            boxes = boxes + self._position_logits(search_features)
        outputs = {
            "pred_logits": outside_autocast(self.class_embed, fused),
            "pred_boxes": boxes.sigmoid(),
        }
        if self.has_iou_head:
            outputs["pred_ious"] = outside_autocast(self.iou_embed, fused.detach()).sigmoid()
        return outputs


@dataclass(frozen=True)
class TransTSettings:
    """Sizes and options of a full-size TransT. Published weights have the defaults (the N2 variant:
    2 fusion layers).
    """

    hidden_dim: int = 256
    nheads: int = 8  # must divide hidden_dim
    dim_feedforward: int = 2048
    featurefusion_layers: int = 4
    dropout: float = 0.1
    position_embedding: str = "sine"  # or 'learned'
    iou_head: bool = False  # predict the IoU of each box: SPOT's filter needs it
    # None: ImageNet weights for a recipe (a call with settings), random ones for a bare network.
    backbone_pretrained: bool | None = None
    # torchvision's ResNet-50 file; setting it implies backbone_pretrained
    backbone_weights: str | None = None
    frozen_backbone_layers: str | tuple[str, ...] = ()
    template_sz: int = 128
    search_sz: int = 256

    @classmethod
    def collect(cls, settings, options: Mapping) -> TransTSettings:
        """Defaults, overridden by the attributes `settings` has, overridden by `options`."""
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise BadValue(
                    f"transt_resnet50 has no option '{name}'{suggestion(name, names)}; "
                    f"it takes {', '.join(names)}"
                )
        given = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        return replace(cls(), **{**given, **options})


@model_constructor
def transt_resnet50(settings=None, **options) -> TransT:
    """Full-size TransT. Options are the fields of `TransTSettings`.

    `settings` may be a train-settings object: fields of `TransTSettings` it carries are used,
    options go before them, and the network is moved to its `device`. The backbone of a call with
    settings starts from ImageNet weights, as TransT's does, unless `backbone_pretrained` is False;
    without settings it starts from random ones unless `backbone_pretrained` is True.
    """
    chosen = TransTSettings.collect(settings, options)
    backbone = build_backbone(
        chosen,
        _starts_from_imagenet(chosen, settings),
        chosen.frozen_backbone_layers,
        chosen.backbone_weights,
        getattr(getattr(settings, "env", None), "pretrained_networks", None),
    )
    net = TransT(
        backbone, build_featurefusion_network(chosen), num_classes=1, iou_head=chosen.iou_head
    )
    net.template_sz, net.search_sz = chosen.template_sz, chosen.search_sz
    net.info = {"nheads": chosen.nheads, "template_sz": net.template_sz, "search_sz": net.search_sz}
    return net.to(settings_device(settings))


def _starts_from_imagenet(chosen: TransTSettings, settings) -> bool:
    if chosen.backbone_weights:
        return True
    if chosen.backbone_pretrained is None:
        return settings is not None
    return chosen.backbone_pretrained


@dataclass(frozen=True)
class _FusionSettings:
    hidden_dim: int
    nheads: int
    dim_feedforward: int
    featurefusion_layers: int
    dropout: float
    position_embedding: str = "sine"


@model_constructor
def transt_small(
    hidden_dim: int = 64,
    nheads: int = 4,
    dim_feedforward: int = 128,
    featurefusion_layers: int = 1,
    dropout: float = 0.0,
    width: int = 16,
    template_sz: int = 64,
    search_sz: int = 128,
    iou_head: bool = True,
    relative_boxes: bool = True,
) -> TransT:
    """TransT of 0.4 M parameters for small crops: trains in minutes on two CPU cores.

    `width` is the channel count of the first backbone layer. Dropout costs time on a CPU, as
    torch's fused attention has none there.
    """
    fusion = _FusionSettings(hidden_dim, nheads, dim_feedforward, featurefusion_layers, dropout)
    backbone = Joiner(SmallBackbone(width), build_position_encoding(fusion))
    net = TransT(
        backbone,
        build_featurefusion_network(fusion),
        num_classes=1,
        iou_head=iou_head,
        relative_boxes=relative_boxes,
    )
    net.template_sz, net.search_sz = template_sz, search_sz
    net.info = {
        "nheads": nheads,
        "template_sz": template_sz,
        "search_sz": search_sz,
        "relative_boxes": relative_boxes,
    }
    return net


def from_state_dict(state_dict: Mapping[str, Tensor], net_info: Mapping | None = None) -> TransT:
    """Rebuild a TransT, of any size, from the shapes in a checkpoint's `net` and load it; the
    network is in eval mode.

    Takes students, teachers, original TransT weights (no IoU head) and names prefixed by 'module.'.
    `net_info` is the checkpoint's entry of that name: it holds what shapes cannot tell (`nheads`,
    crop sizes).
    """
    state = {name.removeprefix("module."): value for name, value in state_dict.items()}
    factory, options = _recognise(state)
    return rebuild(factory, options, state, net_info)


def rebuild(
    factory: Callable[..., TransT],
    options: Mapping[str, Any],
    state: Mapping[str, Tensor],
    net_info: Mapping | None,
) -> TransT:
    """Build a network by `factory` with `options` and load `state`; see `from_state_dict`."""
    told = ("nheads", "template_sz", "search_sz", "relative_boxes")  # what shapes cannot tell
    known = {name: value for name, value in (net_info or {}).items() if name in told}
    net = factory(**{**options, **known})
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise BadValue(
            f"the weights look like TransT's but do not fit it: {detail}; "
            "the checkpoint is damaged or of another network"
        ) from error
    return net.eval()


def sizes(state_dict: Mapping[str, Tensor]) -> dict[str, int]:
    """The options of both factories that the shapes of TransT's weights tell."""
    layers = {
        int(name[len(_LAYERS) :].split(".")[0]) for name in state_dict if name.startswith(_LAYERS)
    }
    feedforward, hidden = state_dict[_LAYERS + "0.linear11.weight"].shape
    return {
        "hidden_dim": hidden,
        "dim_feedforward": feedforward,
        "featurefusion_layers": 1 + max(layers),
    }


def _recognise(state: Mapping[str, Tensor]):
    """Factory and options whose network has the shapes in `state`."""
    needed = ("input_proj.weight", _LAYERS + "0.linear11.weight", "backbone.0.body.conv1.weight")
    for name in needed:
        if name not in state:
            raise BadValue(
                f"these weights are not TransT's: there is no entry '{name}' among {len(state)}; "
                "give a TransT or SPOT-TransT checkpoint"
            )
    options = {**sizes(state), "iou_head": "iou_embed.layers.0.weight" in state}
    stem = state["backbone.0.body.conv1.weight"]
    if stem.shape[-1] == 3:
        return transt_small, {**options, "width": stem.shape[0]}
    learned = "backbone.1.row_embed.weight" in state
    return transt_resnet50, {**options, "position_embedding": "learned" if learned else "sine"}


def _images(images) -> Tensor:
    """The tensor of a tensor or NestedTensor; crops are never padded here, so a mask may not hide
    anything.
    """
    mask = getattr(images, "mask", None)
    if mask is not None and bool(mask.any()):
        raise BadValue(
            "TransT takes crops of one size without padding; this NestedTensor hides part of its "
            "images"
        )
    return getattr(images, "tensors", images)
