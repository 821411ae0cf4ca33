"""OSTrack as published: ViT-B, template 128 px, search region 256 px."""

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams


def parameters(
    net_path: str = "ostrack256.pth.tar", search_factor: float = 4.0, **network
) -> TrackerParams:
    """Return parameters with the network `net_path`, looked for in `network_path` of local.py when
    tracking starts. `search_factor` is the one that the network was trained with; `network` are
    options of the network that its file does not hold.
    """
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = True
    params.window_penalty = 1.0  # higher favours targets that moved little
    params.search_factor = search_factor
    params.net = NetWithBackbone(net_path=net_path, use_gpu=params.use_gpu, **network)
    return params
