"""How the labelled and the unlabelled part of a batch make one loss."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def combine(labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, n_labelled: int,
            n_unlabelled: int) -> Tensor:
    """`(n_l * L_l + n_u * L_u) / (n_l + n_u)` of the parts' `total`s (SPOT, overall objective).

    `unlabelled=None` means that no pseudo-label was accepted: its term is 0 and the labelled weight stays, so an
    iteration without pseudo-labels does not count its few labels four times.
    """
    total = n_labelled * labelled["total"]
    if unlabelled is not None:
        total = total + n_unlabelled * unlabelled["total"]
    return total / (n_labelled + n_unlabelled)
