"""ResNet-18 with the first convolution of VGG-M beside it: finer edges than ResNet's own, for
correlation filters.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from ltr.models.backbone.pretrained import read_weights
from ltr.models.backbone.resnet import BasicBlock, ResNet, checked_layers

__all__ = ["ResNetVGGm1", "resnet18_vggmconv1"]


class ResNetVGGm1(ResNet):
    """`ResNet` that also knows the layer 'vggconv1': 96 channels at stride 2, normalised across
    channels, with ReLU.
    """

    def __init__(self, block: type, layers: Sequence[int], output_layers: Sequence[str], **options):
        super().__init__(block, layers, output_layers, **options)
        self.vggmconv1 = nn.Conv2d(3, 96, 7, 2, 3)
        self.vggmrelu = nn.ReLU(inplace=True)
        self.vgglrn = nn.LocalResponseNorm(5, 0.0005, 0.75, 2)
        self._strides["vggconv1"], self._channels["vggconv1"] = 2, 96

    def forward(self, x: Tensor, output_layers: Sequence[str] | None = None):
        """As `ResNet.forward`."""
        wanted = list(self.output_layers if output_layers is None else output_layers)
        others = [name for name in wanted if name != "vggconv1"]
        if len(others) == len(wanted):
            return super().forward(x, wanted)
        outputs = OrderedDict(vggconv1=self.vgglrn(self.vggmrelu(self.vggmconv1(x))))
        if others:
            outputs.update(super().forward(x, others))
        return outputs


def resnet18_vggmconv1(
    output_layers: Sequence[str] | None = None, path: str | os.PathLike | None = None, **kwargs
) -> ResNetVGGm1:
    """ResNet-18 with VGG-M's first convolution; `path` names a file of its weights (a state
    dict).
    """
    wanted = checked_layers("resnet18_vggmconv1", output_layers, (*ResNet.layer_names, "vggconv1"))
    net = ResNetVGGm1(BasicBlock, (2, 2, 2, 2), wanted, **kwargs)
    if path is not None:
        read_weights(net, path)
    return net
