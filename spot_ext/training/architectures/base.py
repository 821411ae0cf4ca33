"""The interface between the method and a network. Adding a network = one file beside this one + one
recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.models.backbone.base import Backbone
from ltr.models.decoding import Prediction

Outputs = Mapping[str, Tensor]  # what a network's forward returns; only its architecture reads it

# Options of networks whose backbone has ImageNet weights; the small networks have neither.
BACKBONE_WEIGHTS = ("backbone_pretrained", "backbone_weights")


def with_iou_head(network: str, options: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """`options` of a network's factory, and the IoU head that the method needs; BadValue for one
    that is not `known`.
    """
    known = [name for name in known if name != "iou_head"]
    for option in options:
        if option not in known:
            if option in BACKBONE_WEIGHTS:
                raise BadValue(
                    f"network.{option}: there are no ImageNet weights for the backbone of "
                    f"'{network}', it starts from random ones; leave network.{option} out"
                )
            raise BadValue(
                f"network '{network}' has no option '{option}'{suggestion(option, known)}; it "
                "takes "
                f"{', '.join(known)}"
            )
    return {**options, "iou_head": True}


def head_and_backbone_groups(net: nn.Module, lr: float, lr_backbone: float) -> list[dict]:
    """Return the optimiser's groups of a network whose backbone is its module `backbone`.

    Parameters that are held still are among them, so that the groups of a resumed run are the same
    at any epoch.
    """
    named = list(net.named_parameters())
    head = [parameter for name, parameter in named if not name.startswith("backbone.")]
    backbone = [parameter for name, parameter in named if name.startswith("backbone.")]
    return [{"params": head, "lr": lr}, {"params": backbone, "lr": lr_backbone}]


class Criterion(Protocol):
    """The losses of one network, as sums and counts (`ltr.models.loss.means`).

    `targets` says what each position should give for boxes cxcywh (B, 4) in units of the crop,
    `counts` how many positions count, `sums` adds up the losses there, `losses` divides: its
    `total` is the weighted sum of them, its `iou` the mean IoU. `with_iou` adds the IoU head's
    loss.
    """

    def targets(self, boxes_cxcywh_B4: Tensor, outputs: Outputs) -> Any: ...

    def counts(self, targets: Any, with_iou: bool) -> dict[str, Tensor]: ...

    def sums(self, outputs: Outputs, targets: Any, with_iou: bool) -> dict[str, Tensor]: ...

    def losses(
        self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]
    ) -> dict[str, Tensor]: ...

    def to(self, device: torch.device | str) -> Any: ...


class Architecture(Protocol):
    """A network, seen from the method."""

    name: str
    tracker: str  # the online tracker that runs the network, a package of pytracking.tracker
    parameters: str  # one of its parameter files, for everything but the network
    shipped: Path | None  # trained weights that come with the package
    learns_absence: bool  # the criterion takes boxes of zeros: the target is not in the crop
    weights_file: (
        str | None
    )  # ImageNet weights of its backbone in `pretrained_networks`; None: it finds its own

    @property
    def criterion(self) -> Criterion:
        """The losses that the network is trained with."""

    def known_options(self) -> Iterable[str]:
        """Return the names of the options that `build` takes."""

    def build(self, options: Mapping[str, Any]) -> nn.Module:
        """Make the network; unknown options are errors. Its forward takes `(search, template)`."""

    def backbone(self, net: nn.Module) -> Backbone:
        """The part that may be held still at first."""

    def parameter_groups(self, net: nn.Module, lr: float, lr_backbone: float) -> list[dict]:
        """All parameters as optimiser groups; those that are held still are left alone by the
        optimiser.
        """

    def predict(
        self, net: nn.Module, searches: Tensor, templates: Tensor, labelled: int
    ) -> Outputs:
        """The student's outputs for a batch whose first `labelled` samples are labelled."""

    def decode(self, outputs: Outputs) -> Prediction:
        """Scores, boxes and predicted IoUs of every position."""

    def rows(self, outputs: Outputs, start: int, stop: int | None) -> Outputs:
        """The outputs of samples `start` to `stop` (None: the last) of the batch."""
