"""The light Ocean: real time on one CPU core.

Its weights come with the package: `SHIPPED`, described in the file `ocean_light.md` beside them.
"""

import importlib.util
import os

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams
from pytracking.utils.shipped import OCEAN_LIGHT_NETWORK as SHIPPED

# What the backend takes, see the extra [onnx].
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def parameters(net_path: str | os.PathLike = SHIPPED, backend: str | None = None) -> TrackerParams:
    """Parameters with the network `net_path`; a relative one is looked for in `network_path` of
    local.py.

    `backend` 'onnx' is twice as fast as 'torch'; None takes it where the extra [onnx] is installed.
    """
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = False  # True uses one where there is one
    params.backend = backend or default_backend()
    params.net = NetWithBackbone(net_path=os.fspath(net_path), use_gpu=params.use_gpu)
    return params


def default_backend() -> str:
    """Return 'onnx' where its packages are installed, else 'torch'."""
    installed = all(importlib.util.find_spec(package) for package in ONNX_PACKAGES)
    return "onnx" if installed else "torch"
