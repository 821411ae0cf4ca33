"""Weights of a ViT that was trained on ImageNet, for the one-stream transformer: MAE's file (He et
al., CVPR 2022) for ViT-B, or timm's for any size.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.io.checkpoint import read_checkpoint
from ltr.models.backbone.one_stream_vit import OneStreamViT, resize_position_code

logger = logging.getLogger(__name__)

# In the place of a file.
TIMM = "timm"
# timm's names by the width of the network.
TIMM_NAMES = {
    192: "vit_tiny_patch16_224",
    384: "vit_small_patch16_224",
    768: "vit_base_patch16_224",
}
# Entries of such a file that only classification, or MAE's decoder, needs.
OF_OTHER_PARTS = ("head.", "fc_norm.", "decoder", "mask_token", "pre_logits.")


def load_vit_weights(backbone: OneStreamViT, weights: str | os.PathLike | None = None) -> None:
    """Fill `backbone` with the weights of a ViT of its size; its position codes are resized from
    the file's.

    `weights` is a file whose entries, or those of its entry `model`, have ViT's names. Without it,
    or with 'timm', the package timm loads its own, which may download them.
    """
    if weights is None or weights == TIMM:
        source, state = _from_timm(backbone.width)
    else:
        source = str(weights)
        state = _from_file(Path(weights).expanduser())
    state = {name: value for name, value in state.items() if not name.startswith(OF_OTHER_PARTS)}
    if "pos_embed" not in state:
        raise BadValue(f"'{source}' has no entry 'pos_embed'; give the weights of a ViT")
    for name in ("pos_embed_z", "pos_embed_x"):
        side = math.isqrt(getattr(backbone, name).shape[1])
        state[name] = resize_position_code(state["pos_embed"].float(), side)
    own = backbone.state_dict()
    for name, value in own.items():
        if name.endswith((".lora_a", ".lora_b")):
            continue
        if name not in state or state[name].shape != value.shape:
            have = tuple(state[name].shape) if name in state else "nothing"
            raise BadValue(
                f"'{source}' does not fit this ViT: '{name}' is {have} instead of "
                f"{tuple(value.shape)}; give the weights of a ViT of width {backbone.width}, "
                f"patches of 16 px and {len(backbone.blocks)} blocks"
            )
    backbone.load_state_dict({name: state[name] for name in own if name in state}, strict=False)
    logger.info("the vision transformer starts from the weights in %s", source)


def _from_file(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise MissingFile(
            f"backbone_weights names '{path}', which does not exist; point it to the weights of a "
            "ViT, such as MAE's mae_pretrain_vit_base.pth"
        )
    content = read_checkpoint(path)
    for name in ("model", "state_dict"):
        if isinstance(content.get(name), Mapping):
            return content[name]
    return content


def _from_timm(width: int) -> tuple[str, Mapping[str, Tensor]]:
    if width not in TIMM_NAMES:
        raise BadValue(
            f"there are no pretrained weights of a ViT of width {width}; choose a width of "
            f"{', '.join(map(str, TIMM_NAMES))}, or backbone_pretrained=False"
        )
    try:
        import timm
    except ImportError:
        raise NotConfigured(
            "pretrained weights without a file come from the package timm, which is not "
            "installed: pip install timm, or name a file in backbone_weights"
        ) from None
    name = TIMM_NAMES[width]
    try:
        return f"timm's {name}", timm.create_model(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        raise MissingFile(
            f"timm cannot load the weights of {name} ({error}); name a file in backbone_weights"
        ) from error
