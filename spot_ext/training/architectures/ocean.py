"""Ocean as the method sees it: SP-Ocean (full size) and its small sibling for the embedded
videos.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ltr.models.backbone.base import Backbone
from ltr.models.decoding import Prediction, decode_ocean
from ltr.models.loss.ocean_criterion import OceanCriterion
from ltr.models.tracking import ocean
from spot_ext.training.architectures.base import Outputs, with_iou_head


class OceanArchitecture:
    """`ocean`: the published network with an IoU head; `ocean_small`: 0.7 M parameters for two CPU
    cores.
    """

    tracker = "ocean"
    parameters = "ocean"
    weights_file: str | None = "resnet50*.pth"
    learns_absence = False
    shipped: Path | None = None

    def __init__(self, name: str, reference_targets: bool = False):
        self.name = name
        if name == "ocean_small":
            self.weights_file = None
        self.criterion = OceanCriterion(reference=reference_targets)

    def known_options(self) -> Iterable[str]:
        """Return the names of the options that `build` takes."""
        if self.name == "ocean":
            return [field.name for field in dataclasses.fields(ocean.OceanSettings)]
        return inspect.signature(ocean.ocean_small).parameters

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network with an IoU head; `options` are the factory's keyword arguments."""
        factory = ocean.ocean_resnet50 if self.name == "ocean" else ocean.ocean_small
        net = factory(**with_iou_head(self.name, options, self.known_options()))
        self.criterion.crop_size = net.search_sz
        return net

    def backbone(self, net: nn.Module) -> Backbone:
        """The ResNet."""
        return cast(ocean.Ocean, net).features.features

    def parameter_groups(self, net: nn.Module, lr: float, lr_backbone: float) -> list[dict]:
        """Head first, then the backbone with its own rate."""
        # Held still or not: the groups of a resumed run are the same at any epoch.
        named = list(net.named_parameters())
        return [
            {"params": [p for name, p in named if not name.startswith("features.")], "lr": lr},
            {"params": [p for name, p in named if name.startswith("features.")], "lr": lr_backbone},
        ]

    def predict(
        self, net: nn.Module, searches: Tensor, templates: Tensor, labelled: int
    ) -> Outputs:
        """IoUs are predicted for the labelled rows alone: the norms of their tower see no
        others.
        """
        return net(searches, templates, iou_rows=labelled)

    def decode(self, outputs: Outputs) -> Prediction:
        """Scores, boxes and predicted IoUs of every position."""
        ltrb = outputs["pred_boxes"]
        line = ocean.grid(ltrb.shape[-1], self.criterion.crop_size, ltrb)
        positions = torch.stack(torch.meshgrid(line, line, indexing="xy"))  # x, y
        return decode_ocean(outputs, positions, self.criterion.crop_size)

    def rows(self, outputs: Outputs, start: int, stop: int | None) -> Outputs:
        """Every output is batch-first."""
        return {name: value[start:stop] for name, value in outputs.items()}
