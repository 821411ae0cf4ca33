"""Batch norms folded into the convolutions before them: the same numbers with fewer passes over
memory, for inference.
"""

from __future__ import annotations

import itertools
from typing import cast

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock, Bottleneck

from ltr.admin.errors import BadValue


def fold_norms(
    net: nn.Module,
    residual: tuple[type[nn.Module], ...] = (),
    convolutions: tuple[type[nn.Conv2d], ...] = (),
) -> None:
    """Replace each batch norm that follows a convolution in `net`, which is in eval mode, by
    nothing, in place.

    What follows what is known for plain `nn.Sequential`s, for torchvision's residual blocks, and
    for modules of the types `residual`, where `bn1` follows `conv1` and so on. `convolutions` are
    sub-classes of Conv2d whose output is linear in their weights, to be folded like it. State-dict
    names of the norms vanish.
    """
    if net.training:
        raise BadValue(
            "batch norms can be folded in eval mode only, as training changes them: call eval() "
            "first"
        )
    for module in net.modules():
        names = list(module._modules)
        if type(module) is nn.Sequential:
            pairs = list(itertools.pairwise(names))
        elif isinstance(module, (BasicBlock, Bottleneck, *residual)):
            pairs = [
                (name, name.replace("conv", "bn")) for name in names if name.startswith("conv")
            ]
        else:
            continue
        for first, second in pairs:
            convolution, norm = module._modules[first], module._modules.get(second)
            is_foldable = type(convolution) in (nn.Conv2d, *convolutions)
            if is_foldable and isinstance(norm, nn.BatchNorm2d):
                convolution = cast(nn.Conv2d, convolution)
                module._modules[first] = fuse_conv_bn_eval(convolution, norm)
                module._modules[second] = nn.Identity()
