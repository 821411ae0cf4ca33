"""Parameter files of OSTrack that hold one or two values: one line each.

A new network of the same settings is a new line: its name, and a sentence about it. The network's
file is `<name>.pth.tar` in `network_path` of local.py.
"""

from __future__ import annotations

from ltr.io.registry import Line, calling
from ltr.models.tracking.ostrack import PUBLISHED_ELIMINATION

# The parameter file that all lines call with the path of their network.
BASE = "pytracking.parameter.ostrack.ostrack256"
NETWORKS = {
    "spot_ostrack": "SPOT's OSTrack, 3 boxes per video of LaSOT, GOT-10k and TrackingNet.",
    "spot_ostrack_k2": "SPOT's OSTrack with 2 boxes per video.",
    "spot_ostrack_k5": "SPOT's OSTrack with 5 boxes per video.",
    "spot_ostrack_full": "SPOT's OSTrack with all labels: full supervision, to compare with.",
    "spot_ostrack_got10k": "SPOT's OSTrack trained on GOT-10k alone, for its test protocol.",
    "spot_ostrack_quickstart": "The small OSTrack of `spot quickstart --arch ostrack`.",
}

LINES: dict[str, Line] = {
    name: calling(BASE, "parameters", summary, net_path=f"{name}.pth.tar")
    for name, summary in NETWORKS.items()
}
LINES["ostrack256_ce"] = calling(
    BASE,
    "parameters",
    "OSTrack as published with candidate elimination.",
    net_path="ostrack256_ce.pth.tar",
    elimination=PUBLISHED_ELIMINATION,
)
LARGE = "OSTrack as published for larger crops: template 192 px, search region 384 px"
LINES["ostrack384"] = calling(
    BASE, "parameters", f"{LARGE}.", net_path="ostrack384.pth.tar", search_factor=5.0
)
LINES["ostrack384_ce"] = calling(
    BASE,
    "parameters",
    f"{LARGE}, with candidate elimination.",
    net_path="ostrack384_ce.pth.tar",
    search_factor=5.0,
    elimination=PUBLISHED_ELIMINATION,
)
