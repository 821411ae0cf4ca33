"""ImageNet weights for backbones: from a named file, the folder `pretrained_networks` of local.py,
torch's download cache, or the network, in this order.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ltr.admin.environment import find_env_settings
from ltr.admin.errors import BadValue, MissingFile

logger = logging.getLogger(__name__)

# The names of the same weights in torchvision before 0.10.
_OLDER_FILES = {
    "resnet18": "resnet18-5c106cde.pth",
    "resnet34": "resnet34-333f7ec4.pth",
    "resnet50": "resnet50-19c8e357.pth",
    "resnet101": "resnet101-5d3b4d8f.pth",
    "resnet152": "resnet152-b121ed2d.pth",
}


def load_imagenet_weights(
    net: nn.Module,
    name: str,
    weights: str | os.PathLike | None = None,
    folder: str | os.PathLike | None = None,
) -> None:
    """Fill `net`, a whole or truncated torchvision-style `name` ('resnet18', 'resnet50'), with
    ImageNet weights.

    `weights` is torchvision's file for `name` (.pth or .safetensors). Without it `folder` is
    searched (`pretrained_networks` of local.py unless given), then torch's cache; then the file is
    downloaded. Layers the file has and `net` lacks are ignored; the reverse is an error. A 1x1
    convolution of the file becomes the centre of a larger one in `net`: it computes the same.
    """
    path, state = _find(name, weights, folder)
    own = net.state_dict()
    state = {
        key: _centred(value, own[key]) if key in own else value for key, value in state.items()
    }
    lacking = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    if lacking:
        raise BadValue(
            f"'{path}' is not a {name} weight file: it has no entry '{lacking[0]}'; "
            f"point backbone_weights to torchvision's {name} file"
        )
    for key in own:
        if key in state and state[key].shape != own[key].shape:
            raise BadValue(
                f"'{path}' does not fit {name}: '{key}' is {tuple(state[key].shape)} instead of "
                f"{tuple(own[key].shape)}; point backbone_weights to torchvision's {name} file"
            )
    net.load_state_dict({key: state[key] for key in own if key in state}, strict=False)
    logger.info("%s starts from the ImageNet weights in %s", name, path)


def read_weights(net: nn.Module, path: str | os.PathLike) -> None:
    """Fill `net` with the state dict in `path`, which must have all of its entries; further ones
    are ignored.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingFile(f"there is no weight file '{path}'; correct the path")
    state = _read(path)
    own = net.state_dict()
    wrong = [
        key
        for key, value in own.items()
        if not key.endswith("num_batches_tracked")
        and getattr(state.get(key), "shape", None) != value.shape
    ]
    if wrong:
        raise BadValue(
            f"'{path}' does not fit {type(net).__name__}: it has no entry '{wrong[0]}' of the "
            "shape "
            f"{tuple(own[wrong[0]].shape)}; give another file"
        )
    net.load_state_dict({key: state[key] for key in own if key in state}, strict=False)


def _centred(value: Tensor, like: Tensor) -> Tensor:
    rim = (like.shape[-1] - 1) // 2 if like.dim() == 4 and value.shape[2:] == (1, 1) else 0
    return torch.nn.functional.pad(value, (rim,) * 4) if rim else value


def find_imagenet_file(name: str, folder: str | os.PathLike | None = None) -> Path | None:
    """Return torchvision's file for `name` in `folder`, else in torch's cache; None without one.

    `folder` is `pretrained_networks` of local.py unless given. There, but not in the cache, a file
    of another name that starts with `name` counts, too: somebody put it there for this.
    """
    own_folder = pretrained_folder(folder)
    places = [_cache()] if own_folder is None else [own_folder, _cache()]
    for place in places:
        for file_name in _file_names(name):
            if (place / file_name).is_file():
                return place / file_name
        if place == own_folder and (files := sorted(place.glob(f"{name}[-_.]*"))):
            return files[-1]
    return None


def pretrained_folder(folder: str | os.PathLike | None = None) -> Path | None:
    """Return `folder`, or else `pretrained_networks` of local.py; None where neither is set."""
    if not folder:
        folder = getattr(find_env_settings(), "pretrained_networks", None)
    return Path(folder).expanduser() if folder else None


def _file_names(name: str) -> list[str]:
    """Return the names of torchvision's file, today's first."""
    names = [_torchvision_weights(name).url.rsplit("/", 1)[1]]
    return [*names, _OLDER_FILES[name]] if name in _OLDER_FILES else names


def _torchvision_weights(name: str):
    from torchvision.models import get_model_weights  # heavy, and needed only here

    return get_model_weights(name).IMAGENET1K_V1


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _find(
    name: str, weights: str | os.PathLike | None, folder: str | os.PathLike | None
) -> tuple[Path, dict[str, Tensor]]:
    if weights:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise MissingFile(
                f"backbone_weights names '{path}', which does not exist; "
                f"point it to torchvision's {name} file"
            )
        return path, _read(path)

    found = find_imagenet_file(name, folder)
    if found is not None:
        return found, _read(found)

    source = _torchvision_weights(name)
    file_name = _file_names(name)[0]
    logger.info("no ImageNet weights for %s in %s, downloading them", name, _cache())
    try:
        return _cache() / file_name, source.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or a broken download
        raise MissingFile(
            f"ImageNet weights for {name}: there is no {file_name} in `pretrained_networks` of "
            f"ltr/admin/local.py ({_shown(folder)}) nor in torch's cache '{_cache()}', and it "
            f"cannot be downloaded ({error}); put the file into `pretrained_networks`, name a "
            "local copy in the setting backbone_weights, or ask for random weights with "
            "backbone_pretrained = False"
        ) from error


def _shown(folder: str | os.PathLike | None) -> str:
    place = pretrained_folder(folder)
    return "not set" if place is None else f"'{place}'"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # truncated, not a weight file, or a pickle that wants to run code
        raise BadValue(
            f"'{path}' cannot be read as a weight file ({type(error).__name__}); "
            "download it again or point backbone_weights to another file"
        ) from error
    if not isinstance(state, dict):
        raise BadValue(
            f"'{path}' holds a {type(state).__name__}, not a state dict; "
            "point backbone_weights to torchvision's file"
        )
    return state
