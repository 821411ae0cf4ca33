"""TransT as the method sees it: SP-TransT (full size) and its small sibling for the embedded
videos.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from ltr.models.backbone.base import Backbone
from ltr.models.backbone.transt_backbone import Joiner
from ltr.models.decoding import Prediction, decode_transt
from ltr.models.loss.transt_criterion import TransTCriterion
from ltr.models.tracking import transt
from spot_ext.training.architectures.base import Outputs, head_and_backbone_groups, with_iou_head


class TransTArchitecture:
    """`transt`: the published network with an IoU head; `transt_small`: 0.4 M parameters for two
    CPU cores.
    """

    tracker = "transt"
    parameters = "transt50"
    weights_file: str | None = "resnet50*.pth"
    learns_absence = True
    shipped: Path | None = None

    def __init__(self, name: str, reference_targets: bool = False):
        self.name = name
        if name == "transt_small":
            self.weights_file = None
        self.criterion = TransTCriterion(reference_edges=reference_targets)

    def known_options(self) -> Iterable[str]:
        """Return the names of the options that `build` takes."""
        if self.name == "transt":
            return [field.name for field in dataclasses.fields(transt.TransTSettings)]
        return inspect.signature(transt.transt_small).parameters

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network with an IoU head; `options` are the factory's keyword arguments."""
        factory = transt.transt_resnet50 if self.name == "transt" else transt.transt_small
        return factory(**with_iou_head(self.name, options, self.known_options()))

    def backbone(self, net: nn.Module) -> Backbone:
        """The ResNet."""
        return cast(Backbone, cast(Joiner, net.backbone)[0].body)

    def parameter_groups(self, net: nn.Module, lr: float, lr_backbone: float) -> list[dict]:
        """Return the heads first, then the backbone with its own rate."""
        return head_and_backbone_groups(net, lr, lr_backbone)

    def predict(
        self, net: nn.Module, searches: Tensor, templates: Tensor, labelled: int
    ) -> Outputs:
        """All samples alike: nothing in the head averages over the batch."""
        return net(searches, templates)

    def decode(self, outputs: Outputs) -> Prediction:
        """Scores, boxes and predicted IoUs of every position."""
        return decode_transt(outputs)

    def rows(self, outputs: Outputs, start: int, stop: int | None) -> Outputs:
        """Every output is batch-first."""
        return {name: value[start:stop] for name, value in outputs.items()}
