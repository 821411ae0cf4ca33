"""MobileNetV3 (large) that returns chosen layers: an eighth of ResNet-18's work. Built of
torchvision's blocks.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor
from torchvision.models import mobilenet_v3_large

from ltr.admin.errors import BadValue, suggestion
from ltr.models.backbone.base import Backbone
from ltr.models.backbone.pretrained import load_imagenet_weights
from ltr.models.backbone.resnet import checked_layers

__all__ = ["MobileNetV3", "mobilenet3"]

_ENDS = {
    "init_conv": 1,
    "layer1": 2,
    "layer2": 4,
    "layer3": 7,
    "layer4": 11,
    "layer5": 13,
    "layer6": 16,
    "layer_1x1": 17,
}


class MobileNetV3(Backbone):
    """`forward` returns the layers named in `output_layers` and computes no further than the last
    of them.

    Names: init_conv, layer1 to layer6 (at strides 2, 4, 8, 16, 16, 32), layer_1x1. Entries of the
    state dict are torchvision's.
    """

    layer_names = tuple(_ENDS)

    def __init__(self, output_layers: Sequence[str], frozen_layers: str | Sequence[str] = ()):
        super().__init__(frozen_layers)
        self.output_layers = output_layers
        self.features = mobilenet_v3_large().features

    def forward(
        self, x: Tensor, output_layers: Sequence[str] | None = None
    ) -> OrderedDict[str, Tensor]:
        """OrderedDict of the requested layers of images (B, 3, H, W)."""
        wanted = list(self.output_layers if output_layers is None else output_layers)
        for name in wanted:
            if name not in _ENDS:
                raise BadValue(
                    f"MobileNetV3 has no layer '{name}'{suggestion(name, _ENDS)}; "
                    f"choose among {', '.join(_ENDS)}"
                )
        outputs, start = OrderedDict(), 0
        for name, end in _ENDS.items():
            x = self.features[start:end](x)
            start = end
            if name in wanted:
                outputs[name] = x
            if len(outputs) == len(set(wanted)):
                break
        return outputs


def mobilenet3(
    output_layers: Sequence[str] | None = None,
    path: str | os.PathLike | None = None,
    pretrained: bool = False,
    **kwargs,
) -> MobileNetV3:
    """MobileNetV3 (large); `pretrained` starts from ImageNet weights, `path` names torchvision's
    file of them.

    Without `output_layers` the last layer is returned.
    """
    wanted = checked_layers("mobilenet3", output_layers or ["layer_1x1"], MobileNetV3.layer_names)
    net = MobileNetV3(wanted, **kwargs)
    if pretrained or path is not None:
        load_imagenet_weights(net, "mobilenet_v3_large", path)
    return net
