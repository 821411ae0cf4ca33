"""TransT as published."""

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams


def parameters(net_path: str = "transt.pth") -> TrackerParams:
    """Parameters with the network `net_path`, looked for in `network_path` of local.py when
    tracking starts.
    """
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = True
    params.net = NetWithBackbone(net_path=net_path, use_gpu=params.use_gpu)
    return params
