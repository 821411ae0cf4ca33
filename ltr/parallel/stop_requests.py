"""SIGTERM in a loop over batches, which ends at a place of its own choice; see
`ltr.parallel.stopping`.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ltr.parallel.distributed import any_of, get_world_size
from ltr.parallel.stopping import on_sigterm

Item = TypeVar("Item")


class StopRequest:
    """Knows whether SIGTERM has come."""

    def __init__(self) -> None:
        self.requested = False

    def any_process_requested(self) -> bool:
        """Say whether SIGTERM has come to any process of a distributed run: all have to ask at the
        same place.
        """
        self.requested = any_of(self.requested)
        return self.requested

    def until(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches of a loader, up to the request.

        Clusters send the signal to the loader's workers, too, which end at once: that error is then
        not raised.
        """
        iterator = iter(batches)
        _leave_dead_workers_to_the_loader()
        while not (self.requested and get_world_size() == 1):
            try:
                batch = next(iterator)
            except StopIteration:
                return
            except RuntimeError:
                if not self.requested:
                    raise
                batch = None
            if (get_world_size() > 1 and self.any_process_requested()) or batch is None:
                return
            yield batch


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the block the first SIGTERM is noted in the `StopRequest`."""
    request = StopRequest()

    def note() -> None:
        request.requested = True

    with on_sigterm(note):
        yield request


def _leave_dead_workers_to_the_loader() -> None:
    """Torch raises in the middle of whatever runs when a worker dies. Its loaders also notice while
    they wait for a batch, within seconds and at a place where the state is whole: that is
    enough.
    """
    if (
        hasattr(signal, "SIGCHLD")
        and threading.current_thread() is threading.main_thread()
        and getattr(signal.getsignal(signal.SIGCHLD), "__module__", "")
        == "torch.utils.data._utils.signal_handling"
    ):
        signal.signal(signal.SIGCHLD, lambda *_: None)
