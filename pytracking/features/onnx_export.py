"""A matching network as two ONNX graphs: what encodes the template, and what runs on every
frame.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from pathlib import Path

import torch
from torch import nn

from ltr.admin.errors import BadValue, NotConfigured
from ltr.admin.installing import install_command
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.io.files import atomic_write, write_text
from ltr.models.tracking.ocean_light import OceanLight
from ltr.models.tracking.ostrack import OSTrack
from ltr.models.tracking.transt import TransT
from pytracking.utils.loading import load_network
from pytracking.utils.shipped import LIGHT_NETWORK

FILES = {"template": "template.onnx", "track": "track.onnx"}
INFO = "network.json"
_WIDEST = 64  # crops in one call


class _Track(nn.Module):
    def __init__(self, net: TransT | OSTrack | OceanLight):
        super().__init__()
        self.net = net

    def forward(self, zf, x):
        return tuple(self.net.match(zf, x).values())


class _Clip(nn.Module):
    """ReLU6 in a form that is traced in half the time."""

    def forward(self, x):
        return x.clamp(0, 6)


class _Template(nn.Module):
    def __init__(self, net: TransT | OSTrack | OceanLight):
        super().__init__()
        self.net = net

    def forward(self, z):
        return self.net.encode_template(z)


def load_for_export(network: str) -> nn.Module:
    """The network of a checkpoint: its path, a name in `network_path` of local.py, or 'light',
    which the package brings.
    """
    path = LIGHT_NETWORK if network == "light" else Path(network)
    return load_network(path.resolve() if path.exists() else network)


def to_onnx(net: nn.Module) -> tuple[dict[str, bytes], dict]:
    """Return the graphs 'template' (z -> zf) and 'track' (zf, x -> predictions) of a TransT, an
    OSTrack or a light Ocean, serialised, and what describes them.

    Crops are (B, 3, side, side) in ImageNet's normalisation, for any B; sides are those of
    `net.template_sz` and `net.search_sz`. Outputs carry the names that the network's `match` gives
    them. Takes seconds. Raises NotConfigured without the packages, BadValue for networks of another
    family.
    """
    if not isinstance(net, (TransT, OSTrack, OceanLight)):
        raise BadValue(
            f"{type(net).__name__} has no ONNX form here; give a network of TransT's or OSTrack's "
            "family, or a light Ocean"
        )
    try:
        import onnx  # noqa: F401 - torch's exporter uses both
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise NotConfigured(
            f"the ONNX export needs the package {error.name}: {install_command('onnx')}"
        ) from None
    net = copy.deepcopy(net).cpu().requires_grad_(False)
    net.eval()
    net.fold_norms()
    for module in list(net.modules()):
        module._modules.update(
            {
                name: _Clip()
                for name, child in module._modules.items()
                if isinstance(child, nn.ReLU6)
            }
        )
    net.to(
        memory_format=torch.contiguous_format
    )  # ONNX knows no other, and would transpose back and forth
    z, x = (
        torch.zeros(2, 3, net.template_sz, net.template_sz),
        torch.zeros(2, 3, net.search_sz, net.search_sz),
    )
    zf = net.encode_template(z)
    outputs = list(net.match(zf, x))  # this real pass also fills caches, which tracing must not
    graphs = {
        "template": _export(_Template(net), (z,), ["z"], ["zf"]),
        "track": _export(_Track(net), (zf, x), ["zf", "x"], outputs),
    }
    info = {
        "outputs": outputs,
        "template_sz": net.template_sz,
        "search_sz": net.search_sz,
        "stride": net.stride,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        # How the tracker cuts crops; TransT knows one way.
        "context_crops": getattr(net, "context_crops", True),
    }
    return graphs, info


def export(net: nn.Module, folder: str | os.PathLike) -> list[Path]:
    """Write `to_onnx(net)` as template.onnx, track.onnx and network.json into `folder`; returns the
    paths.
    """
    graphs, info = to_onnx(net)
    folder = Path(folder)
    for name, graph in graphs.items():
        with atomic_write(folder / FILES[name]) as temporary:
            temporary.write_bytes(graph)
    write_text(folder / INFO, json.dumps(info, indent=2) + "\n")
    return [folder / name for name in (*FILES.values(), INFO)]


def _export(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str]) -> bytes:
    batch = torch.export.Dim("batch", min=1, max=_WIDEST)
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(
        logging.ERROR
    )  # it explains its own workings at length
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                inputs,
                dynamo=True,
                input_names=names,
                output_names=outputs,
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                verbose=False,
            )
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None  # of `dynamo=True`
    return program.model_proto.SerializeToString()
