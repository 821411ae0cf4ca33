"""Parameter files of TransT that hold one value: one line each.

A new network of the same settings is a new line: its name, and a sentence about it. The network's
file is `<name>.pth.tar` in `network_path` of local.py.
"""

from __future__ import annotations

from ltr.io.registry import Line, calling

# The parameter file that all lines call with the path of their network.
BASE = "pytracking.parameter.transt.transt50"
NETWORKS = {
    "spot_transt": "SPOT's TransT, 3 boxes per video of LaSOT, GOT-10k and TrackingNet.",
    "spot_transt_k2": "SPOT's TransT with 2 boxes per video.",
    "spot_transt_k5": "SPOT's TransT with 5 boxes per video.",
    "spot_transt_full": "SPOT's TransT with all labels: full supervision, to compare with.",
    "spot_transt_got10k": "SPOT's TransT trained on GOT-10k alone, for its test protocol.",
    "spot_transt_unlabelled": "SPOT's TransT, 3 boxes per video, and videos without any.",
    "spot_quickstart": "The small network of `spot quickstart`, for the embedded videos.",
    "spot_quickstart_full": "The network of `spot quickstart_full`, with all labels of the videos.",
}

LINES: dict[str, Line] = {
    name: calling(BASE, "parameters", summary, net_path=f"{name}.pth.tar")
    for name, summary in NETWORKS.items()
}
LINES["light_onnx"] = calling(
    "pytracking.parameter.transt.light",
    "parameters",
    "The light TransT on ONNX Runtime: the boxes of `light`, faster; takes the extra [onnx].",
    backend="onnx",
)
