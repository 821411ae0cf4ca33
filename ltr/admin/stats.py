"""Running statistics of a training run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class StatValue:
    """The latest value and the history of all of them."""

    def __init__(self):
        self.clear()

    def reset(self) -> None:
        """Forget the latest value."""
        self.val: float = 0

    def clear(self) -> None:
        """Forget everything."""
        self.reset()
        self.history: list = []

    def update(self, val: float) -> None:
        """Set the latest value and append it to the history."""
        self.val = val
        self.history.append(val)


class AverageMeter:
    """Weighted mean over an epoch; `history` holds the means of past epochs."""

    def __init__(self):
        self.clear()
        self.has_new_data = False

    def reset(self) -> None:
        """Forget the current epoch."""
        self.avg: float = 0
        self.val: float = 0
        self.sum: float = 0
        self.count: float = 0

    def clear(self) -> None:
        """Forget everything."""
        self.reset()
        self.history: list[float] = []

    def update(self, val: float, n: float = 1) -> None:
        """Add a value of weight `n` (the batch size, when `val` is a batch mean)."""
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count

    def new_epoch(self) -> None:
        """Close the epoch: its mean enters the history, if it saw any value (`has_new_data` says
        so).
        """
        self.has_new_data = self.count > 0
        if self.has_new_data:
            self.history.append(self.avg)
            self.reset()


def topk_accuracy(output: Tensor, target: Tensor, topk: Sequence[int] = (1,)) -> list[Tensor]:
    """Percentage of the N rows of `output` (N, classes) whose true class `target` (N,) is among the
    k highest, per k.
    """
    ranked = output.topk(max(topk), dim=1).indices
    hits = ranked == target.view(-1, 1)
    return [hits[:, :k].any(1).float().mean() * 100 for k in topk]
