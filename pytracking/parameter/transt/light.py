"""The light TransT: real time on one CPU core.

Its weights come with the package: `SHIPPED`, described in the file `transt_light.md` beside them.
`spot transt_light` trains them, and `ltr.admin.loading.convert_checkpoint` writes a checkpoint in
their form.
"""

import os

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams
from pytracking.utils.shipped import LIGHT_NETWORK as SHIPPED


def parameters(net_path: str | os.PathLike = SHIPPED, backend: str = "torch") -> TrackerParams:
    """Parameters with the network `net_path`; a relative one is looked for in `network_path` of
    local.py.

    `backend` 'onnx' is a third faster and takes the extra [onnx].
    """
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = False  # True uses one where there is one
    params.backend = backend
    params.net = NetWithBackbone(net_path=os.fspath(net_path), use_gpu=params.use_gpu)
    return params
