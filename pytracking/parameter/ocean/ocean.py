"""Ocean with SPOT's hyper-parameters."""

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams


def parameters(net_path: str = "ocean.pth.tar") -> TrackerParams:
    """Parameters with the network `net_path`, looked for in `network_path` of local.py when
    tracking starts.
    """
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = True
    params.penalty_k = 0.062  # higher resists changes of size and shape
    params.window_influence = 0.38  # higher favours targets that moved little
    params.lr = 0.765  # higher follows the size faster
    params.ratio = 0.94  # of the classification in the score, the rest is the align head's
    params.net = NetWithBackbone(net_path=net_path, use_gpu=params.use_gpu)
    return params
