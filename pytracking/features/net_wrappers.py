"""A network as a parameter of a tracker: named in the parameter file, loaded when tracking starts.

Parameters are built anew for every sequence, so loaded networks are kept per process: the file is
read once.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch

from ltr.admin.errors import BadValue
from ltr.parallel.device import checked_device, default_device
from pytracking.features import precision as numbers
from pytracking.features.graphs import Graphs, say_without
from pytracking.utils import loading

MEMORY_FORMAT = (
    torch.channels_last
)  # that crops have, too; weights in another are turned around on every frame
# raising it helps runs that alternate between more networks; each holds its weights in memory
KEPT_NETWORKS = 4

_log = logging.getLogger(__name__)
_networks: OrderedDict[tuple, torch.nn.Module] = OrderedDict()
_warned: set[str] = set()
_recorded: OrderedDict[tuple[int, str], Graphs] = (
    OrderedDict()
)  # by a network's first parameter and precision


class NetWrapper:
    """The network `net_path`. Nothing is read before `initialize()`; then its attributes are found
    on this object too.

    Args:
        use_gpu: run on the current CUDA device; without one the CPU is used, with a log line.
        initialize: load at once.
        kwargs: replace keyword arguments the network was built with.

    Copies (`copy.copy`, `copy.deepcopy`) share the weights but nothing else: each tracks with its
    own template.

    """

    def __init__(self, net_path: str, use_gpu: bool = True, initialize: bool = False, **kwargs):
        self.net_path = net_path
        self.use_gpu = use_gpu
        self.device: torch.device | None = None  # chosen when loading, unless set_device did
        self.net: Any = None  # a network of the user's; None before it is loaded
        self._from_file = False  # rather than put into `net`
        self.net_kwargs = kwargs
        if initialize:
            self.initialize()

    def __getattr__(self, name: str):
        net = self.__dict__.get("net")
        if name.startswith("__") or "net" not in self.__dict__:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        if net is None:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}', and the network "
                f"'{self.net_path}' is not loaded yet - call initialize() first"
            )
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
        self.device, self.use_gpu = checked_device(device), not str(device).startswith("cpu")
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
        self.net = _with_own_state(
            _kept_network(self.net_path, self.net_kwargs, self.device, self._numbers())
        )
        self._from_file = True

    def _numbers(self) -> str:
        """The precision to load the network in."""
        return "fp32"


class NetWithBackbone(NetWrapper):
    """A network with image preprocessing.

    Args:
        image_format: what the network was trained with: 'rgb', 'bgr' (both 0 to 1) or 'bgr255'.
        mean, std: per channel, in that format.

    `set_speed` makes it track faster where the device can.

    """

    def __init__(
        self,
        net_path: str,
        use_gpu: bool = True,
        initialize: bool = False,
        image_format: str = "rgb",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        **kwargs,
    ):
        if image_format not in ("rgb", "bgr", "bgr255"):
            raise BadValue(
                f"network '{net_path}': unknown image format '{image_format}', use rgb, bgr or "
                "bgr255"
            )
        self.image_format = image_format
        self._mean = torch.as_tensor(mean, dtype=torch.float32).view(1, -1, 1, 1)
        self._std = torch.as_tensor(std, dtype=torch.float32).view(1, -1, 1, 1)
        self.precision, self.graphs = "fp32", False
        super().__init__(net_path, use_gpu, initialize, **kwargs)

    def preprocess_image(self, im: torch.Tensor) -> torch.Tensor:
        """RGB images `(B, 3, H, W)` with grey levels 0 to 255 as the network wants them, on its
        device; `im` stays.
        """
        device = self.device or _device(self.use_gpu)
        im = im.to(device=device, non_blocking=True)
        if self.image_format in ("bgr", "bgr255"):
            im = im[:, [2, 1, 0]]
        scale, offset = _normalisation(
            tuple(self._mean.flatten().tolist()),
            tuple(self._std.flatten().tolist()),
            1.0 if self.image_format == "bgr255" else 255.0,
            device,
        )
        return torch.addcmul(offset, im.float(), scale)

    def extract_backbone(self, im: torch.Tensor):
        """Backbone features of RGB images with grey levels 0 to 255."""
        return self.net.extract_backbone_features(self.preprocess_image(im))

    def template(self, z: torch.Tensor):
        """Store what the network keeps of the preprocessed template `(1, 3, S, S)`."""
        with self._computing():
            return self.net.template(z)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for the preprocessed search region `(1, 3, S, S)`; with graphs,
        valid until the next call.
        """
        if self.graphs and hasattr(self.net, "match"):
            return self.match(self.net.zf, x)
        with self._computing():
            return self.net.track(x)

    def match(self, templates: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for B preprocessed search regions, one for each of B encoded
        templates (`zf`).
        """
        function = self._graphs() if self.graphs else self.net.match
        with self._computing():
            return function(templates, x)

    def set_speed(self, precision: str = "fp32", graphs: bool = False) -> None:
        """Track in `precision`, one of 'fp32', 'tf32', 'bf16', 'fp16' and 'auto'.

        With `graphs` the network is replayed from CUDA graphs.

        What the device cannot do is left out with a log line. A network that was put into `net`
        rather than loaded keeps its weights as they are.
        """
        numbers.check(precision)
        changed, self.precision, self.graphs = precision != self.precision, precision, graphs
        if changed and self._from_file:
            self.load_network()

    def _numbers(self) -> str:
        if self.precision == "fp32":
            return "fp32"
        return numbers.usable(self.precision, self.device or _device(self.use_gpu))

    def _computing(self) -> contextlib.AbstractContextManager:
        """Within it, the network computes in the precision that was set."""
        parameter = next(self.net.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        return numbers.computing_in(device, self._numbers())

    def _graphs(self) -> Graphs | Callable[..., dict[str, torch.Tensor]]:
        """`match`, recorded; all copies share the recordings, as they share the weights."""
        if next(self.net.parameters()).device.type != "cuda":
            say_without("they need a GPU")
            return self.net.match
        key = (
            id(next(self.net.parameters())),
            self.precision,
        )  # the parameter lives as long as what is kept under it
        if key not in _recorded:
            _recorded[key] = Graphs(self.net.match)
            while len(_recorded) > KEPT_NETWORKS:
                _recorded.popitem(last=False)
        return _recorded[key]


@functools.lru_cache(maxsize=8)
def _normalisation(
    mean: tuple, std: tuple, levels: float, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Factor and summand (1, C, 1, 1) of `(x / levels - mean) / std`."""
    with torch.inference_mode(False):  # made during tracking they must stay usable elsewhere
        means, deviations = (
            torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1) for values in (mean, std)
        )
        factor, summand = 1 / (levels * deviations), -means / deviations
        return factor.to(device, torch.float32), summand.to(device, torch.float32)


def _device(use_gpu: bool) -> torch.device:
    device = default_device(use_gpu)
    if use_gpu and device.type == "cpu" and "no gpu" not in _warned:
        _warned.add("no gpu")
        _log.info("no CUDA device found, tracking on the CPU")
    return device


def _kept_network(
    net_path: str, kwargs: dict, device: torch.device, precision: str
) -> torch.nn.Module:
    """The loaded network, read again only when its file changed."""
    states = [
        (os.fspath(place), place.stat().st_mtime_ns, place.stat().st_size)
        for place in loading.network_candidates(net_path)
    ]
    key = (tuple(states), repr(sorted(kwargs.items())), str(device), precision)
    if key not in _networks:
        net = loading.load_network(net_path, **kwargs)
        net.eval()
        if hasattr(net, "fold_norms"):
            net.fold_norms()  # equal to rounding, see docs/fidelity.md
        if numbers.DTYPES[precision] != torch.float32:
            numbers.lower(net, numbers.DTYPES[precision])
        _networks[key] = net.to(device, memory_format=MEMORY_FORMAT)
        while len(_networks) > KEPT_NETWORKS:
            _networks.popitem(last=False)
    _networks.move_to_end(key)
    return _networks[key]


def _with_own_state(net: torch.nn.Module) -> torch.nn.Module:
    """A copy that shares parameters and buffers, so that a template stored in it is its own."""
    shared = {id(tensor): tensor for tensor in chain(net.parameters(), net.buffers())}
    return copy.deepcopy(net, shared)
