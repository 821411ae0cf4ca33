"""Ocean's backbone: a ResNet without padding where it strides, so that crops of 127 and 255 px give
15 and 31 cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from ltr.models.backbone import base
from ltr.models.backbone.pretrained import load_imagenet_weights
from ltr.models.backbone.resnet import Bottleneck, init_convolutions, residual_layer

__all__ = ["OceanResNet", "UnpaddedResNet", "map_cells"]


def map_cells(image_size: int) -> int:
    """Cells on a side of the map of an image with sides of `image_size` px."""
    pooled = ((image_size - 7) // 2) // 2 + 1
    return (pooled - 3) // 2 + 1


class UnpaddedResNet(base.Backbone):
    """ResNet up to layer3 at stride 8, its strided convolutions not padded, its layer3 dilated by 2
    after the first block.

    `blocks` are those of layer1 to layer3; 3, 4, 6 and a `width` of 64 is ResNet-50. ImageNet's
    weights fit but for the 3x3 shortcuts of layer2 and layer3. `channels` is the depth of the map,
    16 times the width.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (3, 4, 6),
        width: int = 64,
        frozen_layers: str | Sequence[str] = (),
    ):
        super().__init__(frozen_layers)
        self.conv1 = nn.Conv2d(3, width, 7, 2, 0, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = residual_layer(Bottleneck, width, width, blocks[0])
        self.layer2 = residual_layer(Bottleneck, 4 * width, 2 * width, blocks[1], stride=2)
        strided: Any = self.layer2[0]
        strided.conv2.padding = (0, 0)
        strided.downsample[0] = nn.Conv2d(4 * width, 8 * width, 3, 2, 0, bias=False)
        self.layer3 = residual_layer(Bottleneck, 8 * width, 4 * width, blocks[2])
        first, *dilated = cast("list[Any]", list(self.layer3))
        first.downsample[0] = nn.Conv2d(8 * width, 16 * width, 3, 1, 1, bias=False)
        for block in dilated:
            block.conv2.dilation = block.conv2.padding = (2, 2)
        self.channels = 16 * width
        init_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """The map (B, channels, n, n) of images (B, 3, S, S)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return self.layer3(self.layer2(self.layer1(x)))


class OceanResNet(nn.Module):
    """Holds the backbone under the name that published weights have. `weights` or `pretrained`
    start from ImageNet's.
    """

    def __init__(self, body: UnpaddedResNet, pretrained: bool = False, weights: str | None = None):
        super().__init__()
        self.features = body
        if pretrained or weights:
            load_imagenet_weights(body, "resnet50", weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)
