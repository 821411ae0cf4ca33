"""OSTrack as the method sees it: SP-OSTrack (a one-stream ViT-B) and its small sibling for the
embedded videos.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from ltr.models.backbone.base import Backbone
from ltr.models.decoding import Prediction
from ltr.models.loss.ostrack_criterion import OSTrackCriterion
from ltr.models.tracking import ostrack
from spot_ext.training.architectures.base import Outputs, head_and_backbone_groups, with_iou_head


class OSTrackArchitecture:
    """`ostrack`: ViT-B, or any ViT by its options, with an IoU head; `ostrack_small`: 0.3 M
    parameters for two CPU cores.
    """

    tracker = "ostrack"
    parameters = "ostrack256"
    weights_file: str | None = "mae_pretrain_vit_b*.pth"
    learns_absence = True
    shipped: Path | None = None

    def __init__(self, name: str, reference_targets: bool = False):
        # OSTrack has one kind of targets, so `reference_targets` changes nothing.
        self.name = name
        if name == "ostrack_small":
            self.weights_file = None
        self.criterion = OSTrackCriterion()

    def known_options(self) -> Iterable[str]:
        """Return the names of the options that `build` takes."""
        return inspect.signature(self._factory()).parameters

    def _factory(self) -> Callable[..., nn.Module]:
        return ostrack.ostrack if self.name == "ostrack" else ostrack.ostrack_small

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network with an IoU head, for crops as the method cuts them; `options` are the
        factory's keyword arguments.
        """
        options = with_iou_head(self.name, options, self.known_options())
        return self._factory()(**{"context_crops": True, **options})

    def backbone(self, net: nn.Module) -> Backbone:
        """Return the transformer."""
        return cast(Backbone, net.backbone)

    def parameter_groups(self, net: nn.Module, lr: float, lr_backbone: float) -> list[dict]:
        """Return the heads first, then the backbone with its own rate."""
        return head_and_backbone_groups(net, lr, lr_backbone)

    def predict(
        self, net: nn.Module, searches: Tensor, templates: Tensor, labelled: int
    ) -> Outputs:
        """Predict for all samples alike."""
        return net(searches, templates)

    def decode(self, outputs: Outputs) -> Prediction:
        """Return scores, boxes and predicted IoUs of every position."""
        return ostrack.decode(outputs)

    def rows(self, outputs: Outputs, start: int, stop: int | None) -> Outputs:
        """Return the rows of every output; all are batch-first."""
        return {name: value[start:stop] for name, value in outputs.items()}
