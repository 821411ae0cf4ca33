"""Finding and loading a network for tracking."""

from __future__ import annotations

import logging
import os

from ltr.admin.loading import load_network as load_checkpoint
from pytracking.utils.network_files import NetworkNotFound, network_candidates

__all__ = ["NetworkNotFound", "load_network", "network_candidates"]

_log = logging.getLogger(__name__)


def load_network(net_path: str | os.PathLike, **kwargs):
    """Return the network of checkpoint `net_path` (see `network_candidates`), on the CPU.

    `kwargs` replace keyword arguments the network was built with. Where several folders hold the
    file, the first that can be read is used; the others' errors are logged.
    """
    # The checkpoint brings the weights: nothing is to be downloaded.
    kwargs["backbone_pretrained"] = False
    places = network_candidates(net_path)
    for place in places[:-1]:
        try:
            return load_checkpoint(os.fspath(place), **kwargs)[0]
        except Exception as error:
            _log.warning(
                "%s cannot be loaded (%s: %s), trying the next folder of network_path",
                place,
                type(error).__name__,
                error,
            )
    return load_checkpoint(os.fspath(places[-1]), **kwargs)[0]
