"""Running values for training loops written for TransT or DETR; recipes here use
`ltr.admin.stats`.
"""

from __future__ import annotations

import datetime
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor

from ltr.parallel import distributed


class SmoothedValue:
    """A series of numbers, of which the last `window_size` are kept; `fmt` may use median, avg,
    global_avg, max, value.
    """

    def __init__(self, window_size: int = 20, fmt: str | None = None):
        self.deque: deque[float] = deque(maxlen=window_size)
        self.total = 0.0
        self.count = 0
        self.fmt = fmt or "{median:.4f} ({global_avg:.4f})"

    def update(self, value: float, n: int = 1) -> None:
        """Add a number that is the mean of `n`."""
        self.deque.append(value)
        self.count += n
        self.total += value * n

    def synchronize_between_processes(self) -> None:
        """Make `global_avg` that of all processes; the window stays this one's."""
        shared = distributed.all_gather((self.count, self.total))
        self.count, self.total = (
            sum(count for count, _ in shared),
            sum(total for _, total in shared),
        )

    @property
    def median(self) -> float:
        """Median of the window."""
        return torch.tensor(list(self.deque)).median().item()

    @property
    def avg(self) -> float:
        """Mean of the window."""
        return torch.tensor(list(self.deque), dtype=torch.float32).mean().item()

    @property
    def global_avg(self) -> float:
        """Mean of all numbers."""
        return self.total / self.count

    @property
    def max(self) -> float:
        """Largest of the window."""
        return max(self.deque)

    @property
    def value(self) -> float:
        """The last number."""
        return self.deque[-1]

    def __str__(self) -> str:
        if not self.deque:
            return "-"
        return self.fmt.format(
            median=self.median,
            avg=self.avg,
            global_avg=self.global_avg,
            max=self.max,
            value=self.value,
        )


class MetricLogger:
    """Named `SmoothedValue`s that are also attributes: `logger.update(loss=0.3);
    logger.loss.avg`.
    """

    def __init__(self, delimiter: str = "\t"):
        self.meters: defaultdict[str, SmoothedValue] = defaultdict(SmoothedValue)
        self.delimiter = delimiter

    def update(self, **values: float | Tensor) -> None:
        """Add one number to each named series."""
        for name, value in values.items():
            self.meters[name].update(value.item() if isinstance(value, Tensor) else value)

    def add_meter(self, name: str, meter: SmoothedValue) -> None:
        """Use `meter` for the series `name`."""
        self.meters[name] = meter

    def synchronize_between_processes(self) -> None:
        """Make the global means those of all processes."""
        for meter in self.meters.values():
            meter.synchronize_between_processes()

    def log_every(
        self, iterable: Collection[Any], print_freq: int, header: str = ""
    ) -> Iterator[Any]:
        """Yield the items of a sized iterable, printing a line after every `print_freq` of them and
        at the end.
        """
        total, start = len(iterable), time.monotonic()
        for number, item in enumerate(iterable):
            yield item
            if number % print_freq == 0 or number == total - 1:
                each = (time.monotonic() - start) / (number + 1)
                left = datetime.timedelta(seconds=int(each * (total - number - 1)))
                print(
                    self.delimiter.join(
                        [
                            header,
                            f"[{number}/{total}]",
                            f"eta: {left}",
                            str(self),
                            f"time: {each:.4f}",
                        ]
                    )
                )

    def __getattr__(self, name: str) -> SmoothedValue:
        meters = self.__dict__.get("meters", {})
        if name in meters:
            return meters[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __str__(self) -> str:
        return self.delimiter.join(f"{name}: {meter}" for name, meter in self.meters.items())
