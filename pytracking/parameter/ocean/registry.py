"""Parameter files of Ocean that hold one value: one line each.

A new network of the same settings is a new line: its name, and a sentence about it. The network's
file is `<name>.pth.tar` in `network_path` of local.py.
"""

from __future__ import annotations

from ltr.io.registry import Line, calling

# The parameter file that all lines call with the path of their network.
BASE = "pytracking.parameter.ocean.ocean"
NETWORKS = {
    "spot_ocean": "SPOT's Ocean, trained with 3 boxes per video on LaSOT, GOT-10k and TrackingNet.",
    "spot_ocean_k2": "SPOT's Ocean, trained with 2 boxes per video.",
    "spot_ocean_k5": "SPOT's Ocean, trained with 5 boxes per video.",
    "spot_ocean_got10k": "SPOT's Ocean, trained with 3 boxes per video on GOT-10k alone.",
    "spot_ocean_quickstart": "The small Ocean of `spot quickstart_ocean`, for the embedded videos.",
}

LINES: dict[str, Line] = {
    name: calling(BASE, "parameters", summary, net_path=f"{name}.pth.tar")
    for name, summary in NETWORKS.items()
}
