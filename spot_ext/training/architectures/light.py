"""`transt_light` as the method sees it: TransT in all but its factory and where its positions
are.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ltr.models.tracking.transt_light import lattice, transt_light
from pytracking.utils.shipped import LIGHT_NETWORK
from spot_ext.training.architectures.base import with_iou_head
from spot_ext.training.architectures.transt import TransTArchitecture


class TransTLightArchitecture(TransTArchitecture):
    """`transt_light`: for one CPU core. With `backbone_pretrained` ImageNet weights come from an
    installed package.
    """

    parameters = "light"
    weights_file: str | None = None
    shipped: Path | None = LIGHT_NETWORK

    def known_options(self) -> Iterable[str]:
        """Return the names of the options that `build` takes."""
        return inspect.signature(transt_light).parameters

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network with an IoU head; `options` are the factory's keyword arguments."""
        net = transt_light(**with_iou_head(self.name, options, self.known_options()))
        self.criterion.positions = lattice
        # A quarter faster on CPUs, as most of it is 1x1 convolutions.
        return net.to(memory_format=torch.channels_last)
