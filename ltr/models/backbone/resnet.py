"""ResNets that return chosen layers, built of torchvision's blocks and loading torchvision's
weights by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models import resnet as torchvision_resnet

from ltr.admin.errors import BadValue, suggestion
from ltr.models.backbone.base import Backbone
from ltr.models.backbone.pretrained import load_imagenet_weights

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "residual_layer",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet_baby",
]


class BasicBlock(torchvision_resnet.BasicBlock):
    """Two 3x3 convolutions and a shortcut, in pytracking's form: the fifth argument is the dilation
    of both, and `use_bn=False` leaves out the batch norms.
    """

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        dilation: int = 1,
        use_bn: bool = True,
    ):
        super().__init__(inplanes, planes, stride, downsample)
        # Set afterwards: torchvision's block refuses a dilation.
        for convolution in (self.conv1, self.conv2):
            convolution.dilation = convolution.padding = (dilation, dilation)
        if not use_bn:
            self.bn1 = nn.Identity()
            self.bn2 = nn.Identity()


class Bottleneck(torchvision_resnet.Bottleneck):
    """Convolutions 1x1, 3x3, 1x1 and a shortcut, in pytracking's form: the fifth argument is the
    dilation of the 3x3.
    """

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        dilation: int = 1,
    ):
        super().__init__(inplanes, planes, stride, downsample, dilation=dilation)


def residual_layer(
    block: type[Any], in_channels: int, planes: int, blocks: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Return `blocks` residual blocks ending in planes * block.expansion channels; stride and
    dilation act in the first.
    """
    out_channels = planes * block.expansion
    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    first = block(in_channels, planes, stride, shortcut, dilation=dilation)
    return nn.Sequential(first, *(block(out_channels, planes) for _ in range(blocks - 1)))


def init_convolutions(net: nn.Module) -> None:
    """Draw every convolution from N(0, sqrt(2 / (k*k*out_channels))). Batch norms already start at
    scale 1, shift 0.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet(Backbone):
    """ResNet whose `forward` returns the layers named in `output_layers` and computes no further
    than the last of them.

    Names: conv1 (after its norm and ReLU, before pooling), layer1 to layer4, fc. `dilation_factor`
    2, 4 or 8 removes as much stride from the back (layer4 first) and dilates the first block of the
    layers affected instead: larger maps, same weights, more time.
    """

    layer_names = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")

    def __init__(
        self,
        block: type[Any],
        layers: Sequence[int],
        output_layers: Sequence[str],
        num_classes: int = 1000,
        inplanes: int = 64,
        dilation_factor: int = 1,
        frozen_layers: str | Sequence[str] = (),
    ):
        super().__init__(frozen_layers)
        if dilation_factor not in (1, 2, 4, 8):
            raise BadValue(
                f"dilation_factor={dilation_factor} is not possible; choose 1, 2, 4 or 8"
            )
        self.output_layers = output_layers
        self.conv1 = nn.Conv2d(3, inplanes, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        strides = [1] + [2 if dilation_factor < limit else 1 for limit in (8, 4, 2)]
        dilations = [
            max(dilation_factor // limit, 1) for limit in (8, 4, 2, 1)
        ]  # the stride removed up to each layer
        self._strides, self._channels = (
            {"conv1": 4},
            {"conv1": inplanes},
        )  # 4 is pytracking's figure, the truth is 2
        channels, total_stride = inplanes, 4
        for number, (blocks, stride, dilation) in enumerate(
            zip(layers, strides, dilations, strict=True), 1
        ):
            planes = inplanes * 2 ** (number - 1)
            setattr(
                self,
                f"layer{number}",
                residual_layer(block, channels, planes, blocks, stride, dilation),
            )
            channels, total_stride = planes * block.expansion, total_stride * stride
            self._strides[f"layer{number}"], self._channels[f"layer{number}"] = (
                total_stride,
                channels,
            )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        init_convolutions(self)

    def out_feature_strides(self, layer: str | None = None):
        """Stride in pixels of one layer, or the dict of all."""
        return self._strides if layer is None else self._strides[layer]

    def out_feature_channels(self, layer: str | None = None):
        """Channels of one layer, or the dict of all."""
        return self._channels if layer is None else self._channels[layer]

    def forward(self, x: Tensor, output_layers: Sequence[str] | None = None):
        """OrderedDict of the requested layers of images (B, 3, H, W); the fc tensor alone for
        ['default'].
        """
        wanted = list(self.output_layers if output_layers is None else output_layers)
        single = wanted == ["default"]
        if single:
            wanted = ["fc"]
        for name in wanted:
            if name not in self.layer_names:
                raise BadValue(
                    f"ResNet has no layer '{name}'{suggestion(name, self.layer_names)}; "
                    f"choose among {', '.join(self.layer_names)}"
                )
        outputs = OrderedDict()
        for name in self.layer_names:
            if name == "conv1":
                x = self.relu(self.bn1(self.conv1(x)))
            elif name == "fc":
                x = self.fc(self.avgpool(x).flatten(1))
            else:
                x = getattr(self, name)(self.maxpool(x) if name == "layer1" else x)
            if name in wanted:
                outputs[name] = x
            if len(outputs) == len(set(wanted)):
                break
        return outputs["fc"] if single else outputs


def resnet18(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    weights: str | None = None,
    **kwargs,
) -> ResNet:
    """Return a ResNet-18; `pretrained` takes ImageNet weights, `weights` names their file."""
    return _resnet("resnet18", BasicBlock, (2, 2, 2, 2), output_layers, pretrained, weights, kwargs)


def resnet34(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    weights: str | None = None,
    **kwargs,
) -> ResNet:
    """Return a ResNet-34; `pretrained` takes ImageNet weights, `weights` names their file."""
    return _resnet("resnet34", BasicBlock, (3, 4, 6, 3), output_layers, pretrained, weights, kwargs)


def resnet50(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    weights: str | None = None,
    **kwargs,
) -> ResNet:
    """Return a ResNet-50; `pretrained` takes ImageNet weights, `weights` names their file."""
    return _resnet("resnet50", Bottleneck, (3, 4, 6, 3), output_layers, pretrained, weights, kwargs)


def resnet101(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    weights: str | None = None,
    **kwargs,
) -> ResNet:
    """Return a ResNet-101; `pretrained` takes ImageNet weights, `weights` names their file."""
    return _resnet(
        "resnet101", Bottleneck, (3, 4, 23, 3), output_layers, pretrained, weights, kwargs
    )


def resnet152(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    weights: str | None = None,
    **kwargs,
) -> ResNet:
    """Return a ResNet-152; `pretrained` takes ImageNet weights, `weights` names their file."""
    return _resnet(
        "resnet152", Bottleneck, (3, 8, 36, 3), output_layers, pretrained, weights, kwargs
    )


def resnet_baby(
    output_layers: Sequence[str] | None = None,
    pretrained: bool = False,
    inplanes: int = 16,
    **kwargs,
) -> ResNet:
    """ResNet-18 with `inplanes` instead of 64 channels in its first layer: a sixteenth of the
    parameters at 16.
    """
    if pretrained:
        raise NotImplementedError(
            "there are no pretrained weights for resnet_baby; leave pretrained out"
        )
    return _resnet(
        "resnet_baby",
        BasicBlock,
        (2, 2, 2, 2),
        output_layers,
        False,
        None,
        {"inplanes": inplanes, **kwargs},
    )


def checked_layers(
    name: str, output_layers: Sequence[str] | None, known: Sequence[str]
) -> list[str]:
    """The layers asked for, ['default'] for None; BadValue names one that the network `name` does
    not have.
    """
    output_layers = ["default"] if output_layers is None else list(output_layers)
    known = (*known, "default")
    for layer in output_layers:
        if layer not in known:
            raise BadValue(
                f"{name} has no layer '{layer}'{suggestion(layer, known)}; choose among "
                f"{', '.join(known)}"
            )
    return output_layers


def _resnet(name, block, layers, output_layers, pretrained, weights, kwargs) -> ResNet:
    net = ResNet(block, layers, checked_layers(name, output_layers, ResNet.layer_names), **kwargs)
    if pretrained or weights:
        load_imagenet_weights(net, name, weights)
    return net
