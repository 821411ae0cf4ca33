"""How the labelled and the unlabelled part of a batch make one loss."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def combine(labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, n_labelled: int,
            n_unlabelled: int, n_total: int) -> Tensor:
    """`(n_l * L_l + n_u * L_u) / n` of the parts' `total`s; n is the full batch (SPOT, overall objective).

    `unlabelled=None` means that no pseudo-label was accepted: its term is 0. As n does not shrink with the number of
    accepted pseudo-labels, an iteration with few of them does not count its labels more than another.
    """
    total = n_labelled * labelled["total"]
    if unlabelled is not None:
        total = total + n_unlabelled * unlabelled["total"]
    return total / n_total
