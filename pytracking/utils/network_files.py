"""Finding the files of networks for tracking, without torch."""

from __future__ import annotations

import os
from pathlib import Path

from ltr.admin.errors import MissingFile
from pytracking.environment import env_settings, local_file


class NetworkNotFound(MissingFile, AssertionError):
    """No network file can be loaded (an AssertionError in pytracking)."""


def network_candidates(net_path: str | os.PathLike) -> list[Path]:
    """The places of `net_path`: itself when absolute, else in every folder of `network_path` in
    local.py, in order.

    Those that exist (a file, or a folder whose latest checkpoint is meant); NetworkNotFound when
    none does.
    """
    path = Path(net_path).expanduser()
    folders = [""] if path.is_absolute() else env_settings().network_path
    places = [
        Path(folder) / path
        for folder in ([folders] if isinstance(folders, (str, os.PathLike)) else folders)
    ]
    found = [place for place in places if place.exists()]
    if not found:
        listed = (
            " or ".join(f"'{place}'" for place in places) or "any folder (network_path is empty)"
        )
        raise NetworkNotFound(
            f"Failed to load network '{net_path}': there is no {listed} - put the file there, "
            "change network_path in "
            f"{local_file()}, or train it (`python ltr/run_training.py spot transt_sparse` writes "
            "spot_transt.pth.tar, `… spot "
            "ocean_sparse` spot_ocean.pth.tar, and `… spot quickstart`, in minutes and without "
            "data, spot_quickstart.pth.tar)"
        )
    return found
