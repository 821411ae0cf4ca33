"""A network as a parameter of a tracker: named in the parameter file, loaded when tracking starts.

Parameters are built anew for every sequence, so loaded networks are kept per process: the file is read once.
"""

from __future__ import annotations

import copy
import logging
import os
from collections import OrderedDict
from itertools import chain

import torch

from ltr.admin.errors import BadValue
from pytracking.utils import loading

KEPT_NETWORKS = 4  # raising it helps runs that alternate between more networks; each holds its weights in memory

_log = logging.getLogger(__name__)
_networks: OrderedDict[tuple, torch.nn.Module] = OrderedDict()
_warned: set[str] = set()


class NetWrapper:
    """The network `net_path`. Nothing is read before `initialize()`; then its attributes are found on this object too.

    Args:
        use_gpu: run on the current CUDA device; without one the CPU is used, with a log line.
        initialize: load at once.
        kwargs: replace keyword arguments the network was built with.

    Copies (`copy.copy`, `copy.deepcopy`) share the weights but nothing else: each tracks with its own template.
    """

    def __init__(self, net_path: str, use_gpu: bool = True, initialize: bool = False, **kwargs):
        self.net_path = net_path
        self.use_gpu = use_gpu
        self.device: torch.device | None = None  # chosen when loading, unless set_device did
        self.net: torch.nn.Module | None = None
        self.net_kwargs = kwargs
        if initialize:
            self.initialize()

    def __getattr__(self, name: str):
        net = self.__dict__.get("net")
        if name.startswith("__") or "net" not in self.__dict__:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        if net is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}', and the network "
                                 f"'{self.net_path}' is not loaded yet - call initialize() first")
        return getattr(net, name)

    def __copy__(self) -> NetWrapper:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.net = None if self.net is None else _with_own_state(self.net)
        return twin

    def __deepcopy__(self, memo: dict) -> NetWrapper:
        return copy.copy(self)

    def check_file(self) -> None:
        """NetworkNotFound when the network's file is missing."""
        if self.net is None:
            loading.network_candidates(self.net_path)

    def set_device(self, device: torch.device | str) -> None:
        """Run on `device` ('cpu', 'cuda', 'cuda:1') whatever `use_gpu` says."""
        self.device, self.use_gpu = _checked_device(device), not str(device).startswith("cpu")
        if self.net is not None:
            self.load_network()

    def initialize(self) -> None:
        """Load the network unless it is loaded."""
        if self.net is None:
            self.load_network()

    def load_network(self) -> None:
        """Load the network and put it on the device, ready to track."""
        if self.device is None:
            self.device = _device(self.use_gpu)
        self.net = _with_own_state(_kept_network(self.net_path, self.net_kwargs, self.device))


class NetWithBackbone(NetWrapper):
    """A network with image preprocessing.

    Args:
        image_format: what the network was trained with: 'rgb', 'bgr' (both 0 to 1) or 'bgr255'.
        mean, std: per channel, in that format.
    """

    def __init__(self, net_path: str, use_gpu: bool = True, initialize: bool = False, image_format: str = "rgb",
                 mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), **kwargs):
        if image_format not in ("rgb", "bgr", "bgr255"):
            raise BadValue(f"network '{net_path}': unknown image format '{image_format}', use rgb, bgr or bgr255")
        self.image_format = image_format
        self._mean = torch.as_tensor(mean, dtype=torch.float32).view(1, -1, 1, 1)
        self._std = torch.as_tensor(std, dtype=torch.float32).view(1, -1, 1, 1)
        super().__init__(net_path, use_gpu, initialize, **kwargs)

    def preprocess_image(self, im: torch.Tensor) -> torch.Tensor:
        """RGB images `(B, 3, H, W)` with grey levels 0 to 255 as the network wants them, on its device; `im` stays."""
        device = self.device or _device(self.use_gpu)
        im = im.to(device=device, dtype=torch.float32)
        if self.image_format in ("rgb", "bgr"):
            im = im / 255
        if self.image_format in ("bgr", "bgr255"):
            im = im[:, [2, 1, 0]]
        return (im - self._mean.to(device)) / self._std.to(device)

    def extract_backbone(self, im: torch.Tensor):
        """Backbone features of RGB images with grey levels 0 to 255."""
        return self.net.extract_backbone_features(self.preprocess_image(im))

    def template(self, z: torch.Tensor):
        """Store what the network keeps of the preprocessed template `(1, 3, S, S)`."""
        return self.net.template(z)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for the preprocessed search region `(1, 3, S, S)`."""
        return self.net.track(x)


def _device(use_gpu: bool) -> torch.device:
    if use_gpu and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if use_gpu and "no gpu" not in _warned:
        _warned.add("no gpu")
        _log.info("no CUDA device found, tracking on the CPU")
    return torch.device("cpu")


def _checked_device(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadValue(f"unknown device '{name}', use cpu, cuda or cuda:<number>") from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise BadValue(f"device '{name}' is not there, the CUDA devices here number {count}, use cpu"
                       + (f" or cuda:0 to cuda:{count - 1}" if count else ""))
    return device


def _kept_network(net_path: str, kwargs: dict, device: torch.device) -> torch.nn.Module:
    """The loaded network, read again only when its file changed."""
    states = [(os.fspath(place), place.stat().st_mtime_ns, place.stat().st_size)
              for place in loading.network_candidates(net_path)]
    key = (tuple(states), repr(sorted(kwargs.items())), str(device))
    if key not in _networks:
        net = loading.load_network(net_path, **kwargs).eval()
        if hasattr(net, "fold_norms"):
            net.fold_norms()  # equal to rounding, see docs/fidelity.md
        _networks[key] = net.to(device)
        while len(_networks) > KEPT_NETWORKS:
            _networks.popitem(last=False)
    _networks.move_to_end(key)
    return _networks[key]


def _with_own_state(net: torch.nn.Module) -> torch.nn.Module:
    """A copy that shares parameters and buffers, so that a template stored in it is its own."""
    shared = {id(tensor): tensor for tensor in chain(net.parameters(), net.buffers())}
    return copy.deepcopy(net, shared)
