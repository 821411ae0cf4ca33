"""TransT's backbones: stride 8, so that a 256-pixel search crop gives 32 x 32 cells, with their
position code.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from ltr.admin.errors import BadValue, suggestion
from ltr.models.backbone import base
from ltr.models.backbone.pretrained import load_imagenet_weights
from ltr.models.backbone.resnet import (
    BasicBlock,
    Bottleneck,
    init_convolutions,
    residual_layer,
)
from ltr.models.neck.position_encoding import build_position_encoding

__all__ = [
    "Backbone",
    "BackboneBase",
    "FrozenBatchNorm2d",
    "Joiner",
    "SmallBackbone",
    "SmallResNet",
    "TruncatedResNet50",
    "build_backbone",
]


class TruncatedResNet50(base.Backbone):
    """ResNet-50 up to layer3, kept at stride 8: layer3 does not stride, its first 3x3 convolution
    is dilated by 2.

    Only that one convolution is dilated. Published TransT weights were trained so; dilating all of
    layer3 (what "output stride 8" usually means) moves the outputs visibly.
    """

    def __init__(self, frozen_layers: str | Sequence[str] = ()):
        super().__init__(frozen_layers)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = residual_layer(Bottleneck, 64, 64, blocks=3)
        self.layer2 = residual_layer(Bottleneck, 256, 128, blocks=4, stride=2)
        self.layer3 = residual_layer(Bottleneck, 512, 256, blocks=6, dilation=2)
        init_convolutions(self)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by layer name of images (B, 3, H, W)."""
        layer1 = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(images)))))
        layer2 = self.layer2(layer1)
        return {"layer1": layer1, "layer2": layer2, "layer3": self.layer3(layer2)}


class SmallResNet(base.Backbone):
    """Residual backbone of stride 8 for small crops and two CPU cores: 0.2 M parameters at `width`
    16.

    Channels are `width`, 2 and 4 times it; parameters and time grow with the square of `width`.
    """

    def __init__(self, width: int = 16, frozen_layers: str | Sequence[str] = ()):
        super().__init__(frozen_layers)
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(BasicBlock, width, 2 * width, blocks=1, stride=2)
        self.layer2 = residual_layer(BasicBlock, 2 * width, 4 * width, blocks=1, stride=2)
        self.layer3 = residual_layer(BasicBlock, 4 * width, 4 * width, blocks=2)
        init_convolutions(self)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by layer name of images (B, 3, H, W)."""
        layer1 = self.layer1(self.relu(self.bn1(self.conv1(images))))
        layer2 = self.layer2(layer1)
        return {"layer1": layer1, "layer2": layer2, "layer3": self.layer3(layer2)}


class BackboneBase(nn.Module):
    """Wraps a body that returns feature maps by name; `forward` gives those in `output_layers`, in
    order.
    """

    stride = 8

    def __init__(
        self, backbone: nn.Module, num_channels: int, output_layers: Sequence[str] = ("layer3",)
    ):
        super().__init__()
        self.body = backbone
        self.num_channels = num_channels
        self.output_layers = tuple(output_layers)

    def forward(self, images) -> list:
        """Feature maps of a tensor (B, 3, H, W); of a NestedTensor, NestedTensors with the mask
        sampled alike.
        """
        maps = self.body(getattr(images, "tensors", images))
        features = [maps[name] for name in self.output_layers]
        mask = getattr(images, "mask", None)
        if mask is None:
            return features
        return [type(images)(x, _sample_mask(mask, x.shape[-2:])) for x in features]


class Backbone(BackboneBase):
    """TransT's ResNet-50. `pretrained` starts from ImageNet weights, looked up as
    `load_imagenet_weights` says.
    """

    channels = {"layer1": 256, "layer2": 512, "layer3": 1024}  # noqa: RUF012 - constant

    def __init__(
        self,
        output_layers: Sequence[str] = ("layer3",),
        pretrained: bool = False,
        frozen_layers: str | Sequence[str] = (),
        weights: str | None = None,
        folder: str | None = None,
    ):
        for name in output_layers:
            if name not in self.channels:
                raise BadValue(
                    f"TransT's backbone has no layer '{name}'{suggestion(name, self.channels)}; "
                    f"choose among {', '.join(self.channels)}"
                )
        body = TruncatedResNet50(frozen_layers)
        if pretrained or weights:
            load_imagenet_weights(body, "resnet50", weights, folder)
        super().__init__(body, self.channels[output_layers[-1]], output_layers)


class SmallBackbone(BackboneBase):
    """`SmallResNet` in the place of TransT's ResNet-50. There are no pretrained weights for it."""

    def __init__(self, width: int = 16, frozen_layers: str | Sequence[str] = ()):
        super().__init__(SmallResNet(width, frozen_layers), 4 * width)


class Joiner(nn.Sequential):
    """Backbone (entry 0 of the state dict) followed by the position code of its maps (entry 1)."""

    def __init__(self, backbone: BackboneBase, position_embedding: nn.Module):
        super().__init__(backbone, position_embedding)
        self.num_channels = backbone.num_channels
        self.stride = backbone.stride

    def forward(self, images) -> tuple[list, list[Tensor]]:
        """Feature maps and their position codes."""
        features = self[0](images)
        return features, [self[1](x) for x in features]


def build_backbone(
    settings,
    backbone_pretrained: bool = True,
    frozen_backbone_layers: str | Sequence[str] = (),
    backbone_weights: str | None = None,
    weights_folder: str | None = None,
) -> Joiner:
    """TransT's ResNet-50 (layer3) with the position code that `settings` asks for.

    `backbone_weights` is the local ImageNet file; without it `weights_folder` is searched first,
    which is `pretrained_networks` of `settings.env` or of local.py unless given. Pass
    `backbone_pretrained=False` when a checkpoint is loaded afterwards: nothing is looked up or
    downloaded then.
    """
    if not weights_folder:
        weights_folder = getattr(getattr(settings, "env", None), "pretrained_networks", None)
    backbone = Backbone(
        ("layer3",), backbone_pretrained, frozen_backbone_layers, backbone_weights, weights_folder
    )
    return Joiner(backbone, build_position_encoding(settings))


def _sample_mask(mask_BHW: Tensor, size) -> Tensor:
    return nn.functional.interpolate(mask_BHW[:, None].float(), size=tuple(size))[:, 0].bool()
