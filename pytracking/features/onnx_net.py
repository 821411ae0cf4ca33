"""ONNX Runtime in the place of torch: the same network and boxes, faster on a CPU.

A parameter file says `params.net = OnnxNet(folder)` after `python -m spot_ext export-onnx NET
FOLDER`; or `params.backend = 'onnx'`, which exports `params.net` in memory when tracking starts
(seconds in each process).
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.admin.installing import install_command
from ltr.admin.invocation import spot_command
from pytracking.features.net_wrappers import NetWrapper
from pytracking.features.onnx_export import FILES, INFO, to_onnx

BACKENDS = ("torch", "onnx")
_exports: WeakTensorKeyDictionary = (
    WeakTensorKeyDictionary()
)  # by a network's first parameter, which its copies share


class OnnxNet:
    """An exported network, with what trackers use of `NetWithBackbone`. Runs on the CPU.

    Args:
        source: the folder that `export-onnx` wrote, or a `NetWithBackbone` to export when tracking
            starts.
        threads: of one call; default: as many as torch uses.

    Copies share the loaded graphs; each keeps a template of its own.

    """

    def __init__(self, source: str | os.PathLike | NetWrapper, threads: int | None = None):
        self.source = source if isinstance(source, NetWrapper) else Path(source).expanduser()
        self.threads = threads
        self.device = torch.device("cpu")
        self.zf: Tensor | None = None
        self._sessions: dict[str, Any] = {}

    def check_file(self) -> None:
        """MissingFile when there is nothing to load."""
        if isinstance(self.source, NetWrapper):
            self.source.check_file()
            return
        for name in (*FILES.values(), INFO):
            if not (self.source / name).is_file():
                raise MissingFile(
                    f"there is no {name} in '{self.source}'; write it with "
                    f"`{spot_command('export-onnx', 'NET', self.source)}`"
                )

    def set_device(self, device: torch.device | str) -> None:
        """Takes 'cpu' only."""
        if torch.device(device).type != "cpu":
            raise BadValue(
                f"the ONNX backend runs on the CPU, not on {device}; use the backend 'torch' there"
            )

    def initialize(self) -> None:
        """Load the graphs unless they are loaded."""
        if not self._sessions:
            graphs, info = self._read()
            self._sessions = {name: _session(graph, self.threads) for name, graph in graphs.items()}
            self.outputs = list(info["outputs"])
            self.template_sz, self.search_sz = int(info["template_sz"]), int(info["search_sz"])
            # Files from before OSTrack do not say it.
            self.context_crops = bool(info.get("context_crops", True))
            self._mean, self._std = (
                torch.tensor(info[name]).view(1, 3, 1, 1) for name in ("mean", "std")
            )

    def preprocess_image(self, im: Tensor) -> Tensor:
        """RGB images `(B, 3, H, W)` with grey levels 0 to 255 as the network wants them; `im`
        stays.
        """
        return torch.addcmul(-self._mean / self._std, im.float(), 1 / (255 * self._std))

    def encode_template(self, z: Tensor) -> Tensor:
        """Features of preprocessed templates, for `match`."""
        return self._run("template", z=z)[0]

    def match(self, templates: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Predictions for preprocessed search crops (B, 3, S, S), one for each of the B encoded
        templates.
        """
        return dict(zip(self.outputs, self._run("track", zf=templates, x=x), strict=True))

    def template(self, z: Tensor) -> None:
        """Store the preprocessed template `(1, 3, S, S)` that `track` looks for."""
        self.zf = self.encode_template(z)

    def track(self, x: Tensor) -> dict[str, Tensor]:
        """The network's outputs for the preprocessed search crop `(1, 3, S, S)`."""
        if self.zf is None:
            raise BadValue("the ONNX network has no template yet; call template(z) before track(x)")
        return self.match(self.zf, x)

    def __deepcopy__(self, memo: dict) -> OnnxNet:
        return copy.copy(self)

    def _run(self, graph: str, **inputs: Tensor) -> list[Tensor]:
        arrays = {name: value.contiguous().numpy() for name, value in inputs.items()}
        return [torch.from_numpy(value) for value in self._sessions[graph].run(None, arrays)]

    def _read(self) -> tuple[Mapping[str, bytes], Mapping]:
        if isinstance(self.source, NetWrapper):
            return _exported(self.source)
        self.check_file()
        try:
            info = json.loads((self.source / INFO).read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadValue(
                f"'{self.source / INFO}' is not JSON ({error}); export the network again"
            ) from None
        return {name: (self.source / file).read_bytes() for name, file in FILES.items()}, info


def with_backend(net: NetWrapper | OnnxNet, backend: str) -> NetWrapper | OnnxNet:
    """`net` on the backend 'torch' or 'onnx'; BadValue for another name."""
    if backend not in BACKENDS:
        raise BadValue(f"backend '{backend}' is not known; use {' or '.join(BACKENDS)}")
    return OnnxNet(net) if backend == "onnx" and isinstance(net, NetWrapper) else net


def _exported(wrapper: NetWrapper) -> tuple[Mapping[str, bytes], Mapping]:
    """The graphs of a network, exported once a process as long as the network is in memory."""
    wrapper.initialize()
    key = next(wrapper.net.parameters())
    if key not in _exports:
        _exports[key] = to_onnx(wrapper.net)
    return _exports[key]


def _session(graph: bytes, threads: int | None):
    try:
        import onnxruntime
    except ImportError:
        raise NotConfigured(
            f"the ONNX backend needs the package onnxruntime: {install_command('onnx')}"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes are of its binary's making
        raise BadValue(
            f"the ONNX graph cannot be loaded ({str(error).splitlines()[0][:200]}); export it again"
        ) from error
