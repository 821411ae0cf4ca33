"""torch.compile for the networks, where it works."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


def compile_networks(nets: Iterable[nn.Module], device: torch.device) -> bool:
    """Compile `nets` for `device` in place, parameters keep their names; whether it is possible. If
    not, the log says why.

    Networks are compiled when they are first called. Parts of one that cannot be compiled run as
    they are.
    """
    try:
        torch.compile(_probe)(torch.ones(2, 8, device=device, requires_grad=True)).backward()
    except Exception as error:  # compilers, drivers and platforms fail in their own ways
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        log.warning(
            "compile=true has no effect: torch.compile does not work on %s here (%s); going on "
            "without",
            device,
            reason,
        )
        return False
    torch._dynamo.config.suppress_errors = True
    for net in nets:
        net.compile()
    return True


def _probe(x: Tensor) -> Tensor:
    return (x.sin() * 2).softmax(-1).square().sum()
