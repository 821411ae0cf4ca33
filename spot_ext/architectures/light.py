"""`transt_light` as the method sees it: TransT in all but its factory and where its positions are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from ltr.admin.errors import BadValue, suggestion
from ltr.models.tracking.transt_light import lattice, transt_light
from spot_ext.architectures.transt import TransTArchitecture


class TransTLightArchitecture(TransTArchitecture):
    """`transt_light`: for one CPU core. With `backbone_pretrained` ImageNet weights come from an installed package."""

    parameters, weights_file = "light", None

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network with an IoU head; `options` are the factory's keyword arguments."""
        known = [name for name in inspect.signature(transt_light).parameters if name != "iou_head"]
        for option in options:
            if option not in known:
                raise BadValue(f"network '{self.name}' has no option '{option}'{suggestion(option, known)}; "
                               f"it takes {', '.join(known)}")
        net = transt_light(iou_head=True, **options)
        self._criterion.positions = partial(lattice, stride=net.stride)
        return net
