"""The base of backbones: layers that stay frozen during training."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ltr.admin.errors import BadValue, suggestion


class Backbone(nn.Module):
    """Base of backbones. `frozen_layers` is `()` or 'none', 'all', or a list of names of direct
    children.

    Frozen layers get no gradient from the first `train()` or `eval()` call on, and stay in eval
    mode, so that their batch-norm statistics do not move either.
    """

    def __init__(self, frozen_layers: str | Sequence[str] = ()):
        super().__init__()
        if isinstance(frozen_layers, str):
            if frozen_layers not in ("none", "all"):
                raise BadValue(
                    f"frozen_layers='{frozen_layers}' is not known; "
                    "give 'none', 'all' or a list of layer names"
                )
            frozen_layers = "all" if frozen_layers == "all" else ()
        self.frozen_layers = frozen_layers
        self._gradients_stopped = False
        self._all_frozen, self._norms_frozen = False, True

    def freeze(self, frozen: bool = True, norms: bool = True) -> None:
        """Hold every layer still, or let go of all but `frozen_layers`.

        `norms=False` lets the statistics of batch norms move in training mode all the same.
        """
        self._all_frozen, self._norms_frozen = frozen, norms
        self.requires_grad_(True)
        self._gradients_stopped = False
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        """Switch to training or evaluation mode, except for the frozen layers."""
        super().train(mode)
        if mode or not self._gradients_stopped:
            for layer in self._frozen_modules():
                if mode and self._norms_frozen:
                    layer.eval()
                if not self._gradients_stopped:
                    layer.requires_grad_(False)
            self._gradients_stopped = True
        return self

    def _frozen_modules(self) -> list[nn.Module]:
        children = dict(self.named_children())
        if self._all_frozen or self.frozen_layers == "all":
            return list(children.values())
        for name in self.frozen_layers:
            if name not in children:
                raise BadValue(
                    f"frozen_layers names '{name}', which {type(self).__name__} does not have"
                    f"{suggestion(name, children)}; its layers are {', '.join(children)}"
                )
        return [children[name] for name in self.frozen_layers]
