"""Writes training statistics for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ltr.io.files import require_room

ROOM = (
    16 * 1024
)  # bytes, more than an epoch's statistics take: TensorBoard's thread dies with a traceback on a full disk  # noqa: E501


class TensorboardWriter:
    """Writes one event folder per loader below `directory`, so that their curves share a plot, and
    one for run information.
    """

    def __init__(self, directory: str | os.PathLike, loader_names: Iterable[str]):
        from torch.utils.tensorboard import (
            SummaryWriter,
        )  # slow to import: only where a run is logged

        self.directory = os.fspath(directory)
        self._open = SummaryWriter
        self._writers = {name: self._writer(name) for name in loader_names}

    def write_info(self, module_name: str, script_name: str, description: str) -> None:
        """Note which recipe runs."""
        info = self._writer("info")
        info.add_text(
            "Modulet_name", module_name
        )  # [sic] the tag that pytracking users' boards have
        info.add_text("Script_name", script_name)
        info.add_text("Description", description)
        info.close()

    def write_epoch(self, stats: Mapping[str, Mapping | None], epoch: int, ind: int = -1) -> None:
        """Write entry `ind` of the history of every statistic that has news; `stats` is loader ->
        name -> statistic.
        """
        require_room(self.directory, ROOM)
        for loader, values in stats.items():
            for name, value in (values or {}).items():
                if getattr(value, "history", None) and getattr(value, "has_new_data", True):
                    self._writers[loader].add_scalar(name, value.history[ind], epoch)
            if loader in self._writers:
                self._writers[loader].flush()

    def close(self) -> None:
        """Finish the event files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str):
        os.makedirs(self.directory, exist_ok=True)
        require_room(self.directory, ROOM)
        return self._open(os.path.join(self.directory, name))
