"""OSTrack: one vision transformer that sees template and search region together, and a head that
says where the target's centre is, and how large the target.

Source: OSTrack (Ye et al., ECCV 2022, section 3). `forward(search, template)` serves training;
`template(z)` once and `track(x)` per frame serve tracking. `encode_template` and `match` are the
same without stored state, for batches of templates.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.admin.model_constructor import model_constructor
from ltr.models.backbone.one_stream_vit import OneStreamViT
from ltr.models.backbone.vit_blocks import ConvStem, PatchEmbed
from ltr.models.backbone.vit_weights import load_vit_weights
from ltr.models.decoding import Prediction
from ltr.models.folding import fold_norms
from ltr.models.layers.lora import merge_lora
from ltr.models.tracking.center_head import CenterHead
from ltr.models.tracking.transt import MLP
from ltr.parallel.precision import outside_autocast

__all__ = ["CenterHead", "OSTrack", "decode", "from_state_dict", "ostrack", "ostrack_small"]

logger = logging.getLogger(__name__)

# Elimination as published: after the attention of these blocks, the share of search tokens kept.
PUBLISHED_ELIMINATION = {3: 0.7, 6: 0.7, 9: 0.7}
# Entries of a checkpoint's `net_info`, arguments of the factory.
SHAPES_CANNOT_TELL = ("nheads", "elimination", "template_rows", "context_crops")


class OSTrack(nn.Module):
    """Backbone and centre head, and with `iou_head` SPOT's: how well the box of each position is
    expected to overlap the target, read from detached features.

    Outputs for h x w positions: `score_map` (B, 1, h, w), `size_map` and `offset_map` (B, 2, h, w)
    as `CenterHead` gives them, and `pred_ious` (B, h*w, 1) in 0..1. Images are (B, 3, H, W) in
    ImageNet normalisation.

    With `context_crops` the network is meant for crops as SPOT cuts them, around the context of the
    box and filled with the mean colour; without, for those of OSTrack, around its area and filled
    with black.
    """

    # Parts that compute in fp32 where the rest computes in fewer digits.
    fp32_heads = ("box_head", "iou_embed")

    def __init__(
        self,
        backbone: OneStreamViT,
        head_width: int = 256,
        iou_head: bool = False,
        context_crops: bool = False,
    ):
        super().__init__()
        # The order of the children is that of the parameters in published optimiser states.
        self.backbone = backbone
        self.box_head = CenterHead(backbone.width, head_width)
        if iou_head:
            self.iou_embed = MLP(backbone.width, head_width, 1, 3)
        self.context_crops = context_crops
        self.template_sz = 128
        self.search_sz = 256
        self.stride = backbone.patch_embed.stride
        # What a checkpoint stores as net_info.
        self.info: dict | None = None
        self.zf: Tensor | None = None

    @property
    def has_iou_head(self) -> bool:
        """Tell whether outputs hold `pred_ious`."""
        return hasattr(self, "iou_embed")

    def forward(self, search: Tensor, template: Tensor) -> dict[str, Tensor]:
        """Return the outputs for search crops (B, 3, H, W) given template crops (B, 3, h, w). Note
        the order.
        """
        return self.match(self.encode_template(template), search)

    def encode_template(self, template: Tensor) -> Tensor:
        """Return tokens (B, M, C) of templates, to be indexed or repeated along B and given to
        `match`.
        """
        return self.backbone.embed_template(template)

    def match(self, template_tokens: Tensor, search: Tensor) -> dict[str, Tensor]:
        """Return the outputs for search crops (B, 3, H, W), one for each of the B templates."""
        _, tokens = self.backbone(template_tokens, self.backbone.embed_search(search))
        side = math.isqrt(tokens.shape[1])
        features = tokens.transpose(1, 2).unflatten(2, (side, side))
        score, offset, size = outside_autocast(self.box_head, features)
        outputs = {"score_map": score, "size_map": size, "offset_map": offset}
        if self.has_iou_head:
            outputs["pred_ious"] = outside_autocast(self.iou_embed, tokens.detach()).sigmoid()
        return outputs

    @torch.no_grad()
    def template(self, z: Tensor) -> None:
        """Store the template (1, 3, h, w) that `track` looks for. Tracking keeps no gradients."""
        self.zf = self.encode_template(z)

    @torch.no_grad()
    def track(self, x: Tensor) -> dict[str, Tensor]:
        """Return the outputs for a search crop (1, 3, H, W), given the stored template."""
        if self.zf is None:
            raise RuntimeError(
                "OSTrack.track was called before OSTrack.template; give the template crop to it "
                "first"
            )
        return self.match(self.zf, x)

    def fold_norms(self) -> None:
        """Make inference faster, in place: batch norms become part of their convolutions, low-rank
        changes part of their layers. Needs eval mode.
        """
        merge_lora(self.backbone)
        fold_norms(self)


def decode(outputs: Mapping[str, Tensor]) -> Prediction:
    """Return the candidates of every position: its score, and the box whose centre it says."""
    score = outputs["score_map"].float()
    offset = outputs["offset_map"].float()
    height, width = score.shape[-2:]
    rows = torch.arange(height, device=score.device)[:, None]
    columns = torch.arange(width, device=score.device)
    center_x = (columns + offset[:, 0]) / width
    center_y = (rows + offset[:, 1]) / height
    sizes = outputs["size_map"].float()
    boxes = torch.stack((center_x, center_y, sizes[:, 0], sizes[:, 1]), -1)
    ious = outputs.get("pred_ious")
    return Prediction(
        score.flatten(1),
        boxes.flatten(1, 2),
        None if ious is None else ious.float()[..., 0],
    )


@model_constructor
def ostrack(
    template_sz: int = 128,
    search_sz: int = 256,
    width: int = 768,
    depth: int = 12,
    nheads: int | None = None,
    head_width: int = 256,
    iou_head: bool = False,
    elimination: Mapping[int, float] | None = None,
    template_rows: str = "center",
    drop_path: float = 0.0,
    checkpointing: bool = False,
    lora_rank: int = 0,
    lora_targets: Sequence[str] = ("qkv", "proj"),
    context_crops: bool = False,
    backbone_pretrained: bool = False,
    backbone_weights: str | None = None,
    frozen_backbone_layers: str | Sequence[str] = (),
) -> OSTrack:
    """Return OSTrack on a ViT with patches of 16 px: as published ViT-B; (192, 3) as `width` and
    `nheads` is ViT-tiny, (384, 6) ViT-small.

    `nheads` is by default a head for 64 channels. `backbone_weights` is a file of a ViT of this
    size, such as MAE's, or 'timm'; `backbone_pretrained` without it takes timm's weights of a ViT
    of this width. See `OneStreamViT` for what concerns the backbone.
    """
    backbone = OneStreamViT(
        _tokens("template_sz", template_sz, PatchEmbed.stride),
        _tokens("search_sz", search_sz, PatchEmbed.stride),
        width,
        depth,
        max(width // 64, 1) if nheads is None else nheads,
        elimination=elimination,
        template_rows=template_rows,
        drop_path=drop_path,
        checkpointing=checkpointing,
        lora_rank=lora_rank,
        lora_targets=lora_targets,
        frozen_layers=frozen_backbone_layers,
    )
    if backbone_pretrained or backbone_weights:
        load_vit_weights(backbone, backbone_weights)
    net = OSTrack(backbone, head_width, iou_head, context_crops)
    return _described(net, template_sz, search_sz)


@model_constructor
def ostrack_small(
    template_sz: int = 64,
    search_sz: int = 128,
    width: int = 64,
    depth: int = 3,
    nheads: int = 4,
    head_width: int = 64,
    iou_head: bool = True,
    context_crops: bool = True,
) -> OSTrack:
    """Return a small OSTrack for small crops, which learns in minutes on two CPU cores: a
    convolutional stem of stride 8 in the place of patches.
    """
    backbone = OneStreamViT(
        _tokens("template_sz", template_sz, ConvStem.stride),
        _tokens("search_sz", search_sz, ConvStem.stride),
        width,
        depth,
        nheads,
        ConvStem(width),
    )
    net = OSTrack(backbone, head_width, iou_head, context_crops)
    return _described(net, template_sz, search_sz)


def from_state_dict(state_dict: Mapping[str, Tensor], net_info: Mapping | None = None) -> OSTrack:
    """Rebuild an OSTrack from the shapes in a checkpoint's `net` and load it; the network is in
    eval mode.

    `net_info` is the checkpoint's entry of that name: it holds what shapes cannot tell.
    """
    state = {name.removeprefix("module."): value for name, value in state_dict.items()}
    known = {name: value for name, value in (net_info or {}).items() if name in SHAPES_CANNOT_TELL}
    is_small = "backbone.patch_embed.stem.0.weight" in state
    options = {**sizes(state), **known}
    if is_small:
        for name in ("elimination", "template_rows"):
            options.pop(name, None)
    net = (ostrack_small if is_small else ostrack)(**options)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise BadValue(
            f"the weights look like OSTrack's but do not fit it: {detail}; the checkpoint is "
            "damaged or of another network"
        ) from error
    return net.eval()


def sizes(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the options of the factories that the shapes of OSTrack's weights tell."""
    template_tokens, width = state_dict["backbone.pos_embed_z"].shape[1:]
    search_tokens = state_dict["backbone.pos_embed_x"].shape[1]
    stride = ConvStem.stride
    if "backbone.patch_embed.stem.0.weight" not in state_dict:
        stride = state_dict["backbone.patch_embed.proj.weight"].shape[-1]
    blocks = (re.match(r"backbone\.blocks\.(\d+)\.", name) for name in state_dict)
    found: dict[str, Any] = {
        "template_sz": math.isqrt(template_tokens) * stride,
        "search_sz": math.isqrt(search_tokens) * stride,
        "width": width,
        "depth": 1 + max(int(match[1]) for match in blocks if match),
        "head_width": state_dict["box_head.conv1_ctr.0.weight"].shape[0],
        "iou_head": "iou_embed.layers.0.weight" in state_dict,
    }
    if stride == PatchEmbed.stride:
        adapted = {name: value for name, value in state_dict.items() if name.endswith(".lora_a")}
        # Low-rank changes that were merged leave no entry, whatever the factory was told.
        found["lora_rank"] = max((len(value) for value in adapted.values()), default=0)
        if adapted:
            found["lora_targets"] = sorted({name.split(".")[-2] for name in adapted})
    return found


def _described(net: OSTrack, template_sz: int, search_sz: int) -> OSTrack:
    net.template_sz = template_sz
    net.search_sz = search_sz
    net.info = {
        "nheads": net.backbone.nheads,
        "elimination": net.backbone.elimination,
        "template_rows": net.backbone.template_rows,
        "context_crops": net.context_crops,
    }
    return net


def _tokens(name: str, size: int, stride: int) -> int:
    if size < stride or size % stride:
        raise BadValue(
            f"{name}={size} does not fit OSTrack, whose crops are whole numbers of {stride} px; "
            f"use {max(size // stride, 1) * stride}"
        )
    return (size // stride) ** 2
