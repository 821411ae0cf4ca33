"""A tracker whose network file is given, instead of looked up in local.py."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone, NetWrapper

# Digits of the network file's SHA-256 that name a result folder.
DIGEST_LENGTH = 12


class NetworkTracker(Tracker):
    """Tracker `name` with everything of parameter file `parameter_name` but its network.

    Args:
        network: the checkpoint that it tracks with.
        results_folder: folder for results. They lie in a sub-folder named after `display_name` and
            the network file's digest, so that results of another network are never taken for its
            own. Without it the tracker is there for `maker` only, and needs no local.py.
        display_name: label in tables and plots.
        device: 'cpu', 'cuda:1', … instead of what the parameter file says.
        run_id: number of a repetition; its results get a folder of their own.

    """

    def __init__(
        self,
        name: str,
        parameter_name: str,
        network: Path,
        results_folder: Path | None = None,
        display_name: str | None = None,
        device: str | None = None,
        run_id: int | None = None,
    ):
        self.network = Path(network)
        self._own_results_folder = results_folder
        super().__init__(name, parameter_name, run_id, display_name, device)

    def get_parameters(self) -> Any:
        """Return the parameter file's values with the given network."""
        params = super().get_parameters()
        path = str(self.network.resolve())
        net = getattr(params, "net", None)
        if isinstance(net, NetWrapper):
            # Its image format, mean and deviation stay those of the parameter file.
            params.net = copy.copy(net)
            params.net.net_path, params.net.net = path, None
        else:
            params.net = NetWithBackbone(net_path=path, use_gpu=params.use_gpu)
        if self.device is not None:
            params.net.set_device(self.device)
        return params

    def maker(self) -> Callable[[], Any]:
        """Return a function that makes trackers; all share the weights, read from the file once."""
        params = self.get_parameters()
        params.net.initialize()
        return lambda: self.create_tracker(params)

    def _result_folders(self) -> tuple[str, str]:
        if self._own_results_folder is None:
            return "", ""
        name = self.display_name or self.parameter_name
        stem = "".join(character if character.isalnum() else "_" for character in name.lower())
        digest = hashlib.sha256(self.network.read_bytes()).hexdigest()[:DIGEST_LENGTH]
        repetition = "" if self.run_id is None else f"_{self.run_id:03d}"
        results = Path(self._own_results_folder) / f"{stem}_{digest}{repetition}"
        return str(results), str(results / "segmentation")
