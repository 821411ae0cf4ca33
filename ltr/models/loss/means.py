"""Losses that are means, as sums and counts.

A batch may be spread over several processes, or learned in several parts. Its loss is then the sum
over all positions divided by their number in the whole batch, which no process and no part knows
alone. The number depends on the targets only. So a criterion gives sums and counts, and whoever has
the whole batch divides.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ltr.parallel.distributed import get_world_size, total


def total_counts(counts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the sum over all processes of each count, in one exchange."""
    if get_world_size() == 1:
        return dict(counts)
    values = torch.stack([count.double() for count in counts.values()])
    return dict(zip(counts, total(values).float().unbind(), strict=True))


def mean_of(sum_of_values: Tensor, count: Tensor, least: int = 1) -> Tensor:
    """Return this process's share of a mean: the mean over processes of the results is the mean.

    `count` is the number of values in all processes; `least` is the smallest divisor, so that the
    mean of no value is 0. A `least` of 0 lets the mean of no value be NaN.
    """
    divisor = count.clamp(min=least) if least else count
    processes = get_world_size()
    return sum_of_values / (divisor / processes if processes > 1 else divisor)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Return the sum of `values` where `mask` is true.

    Dense: picking by a mask would make the host wait for the number of values.
    """
    return torch.where(mask, values, 0).sum()


def weighted_total(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the sum of those `losses` that have a weight, each times its weight."""
    terms = [weight * losses[name] for name, weight in weights.items() if name in losses]
    return sum(terms[1:], start=terms[0])
