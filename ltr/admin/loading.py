"""Finds network files and rebuilds the networks in them."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from ltr.admin.environment import env_settings
from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.model_constructor import MissingConstructor, NetConstructor, constructor_function
from ltr.admin.multigpu import unwrapped
from ltr.admin.settings import Settings
from ltr.io import checkpoint as files
from ltr.io.description import check_weights

_log = logging.getLogger(__name__)

MAY_BE_MISSING = ("iou_embed.",)  # SPOT's IoU head: weights of the original TransT lack it
# entry of the weights that tells a family of networks, and the module (and its namesakes) that
# builds it
_FAMILIES = {
    # Before TransT's, whose entries it has too.
    "backbone.0.body.stem.conv.weight": "ltr.models.tracking.transt_light",
    "featurefusion_network.encoder.layers.0.linear11.weight": "ltr.models.tracking.transt",
    "connect_model.bbox_tower.0.weight": "ltr.models.tracking.ocean",
    "correlation.gate.weight": "ltr.models.tracking.ocean_light",
    "box_head.conv1_ctr.0.weight": "ltr.models.tracking.ostrack",
}
_SKIP_PRETRAINING = {
    "backbone_pretrained": False,
    "backbone_weights": None,
}  # no download of what is replaced anyway
_SUFFIXES = ("_t", "", "_s")  # of SPOT the teacher is the model to track with


def load_network(
    network_dir: str | os.PathLike | None = None,
    checkpoint: int | str | os.PathLike | None = None,
    constructor_fun_name: str | None = None,
    constructor_module: str | None = None,
    *,
    trusted_modules: Iterable[str] = (),
    trust_pickle: bool = False,
    **kwargs,
) -> tuple[nn.Module, dict]:
    """Rebuild a network and load its weights; return it, on the CPU, with the checkpoint's content.

    `network_dir` may be the file itself. In a folder, `checkpoint` None takes the newest epoch and
    an int that epoch; SPOT's teacher (`_t`) goes before its student. `checkpoint` may also be a
    path. Keyword arguments replace the stored arguments of the network's factory; unknown ones are
    ignored with a warning. `constructor_fun_name` and `constructor_module` name another factory.
    `trusted_modules`: see `model_constructor.constructor_function`; `trust_pickle`: see
    `checkpoint.read_checkpoint`. Weights without a usable factory are accepted when they are
    TransT's or Ocean's.

    Raises MissingFile ('No matching checkpoint file found'), MissingConstructor (a RuntimeError),
    BadValue for weights that do not fit.
    """
    path = find_checkpoint(network_dir, checkpoint)
    content = files.read_checkpoint(path, trust_pickle)
    weights = weights_of(content, path)
    constructor = files.constructor_from_plain(content.get("constructor"))
    if constructor_fun_name or constructor_module:
        constructor = constructor or NetConstructor("", "", (), {})
        if constructor_module:
            # The caller names it, not the file.
            trusted_modules = [*trusted_modules, constructor_module]
        constructor.fun_name = constructor_fun_name or constructor.fun_name
        constructor.fun_module = constructor_module or constructor.fun_module
    try:
        net = _build(constructor, kwargs, trusted_modules, path, weights, content.get("net_info"))
    except BadValue as error:
        raise BadValue(f"{path}: {error}") from None
    _load_weights(net, weights, path)
    if content.get("net_info") is not None:
        net.info = content["net_info"]
    return net, {**content, "constructor": getattr(net, "constructor", None)}


def load_pretrained(
    module: str, name: str, checkpoint: int | str | None = None, **kwargs
) -> tuple[nn.Module, dict]:
    """`load_network` from the checkpoints that the recipe `module` `name` wrote into the
    workspace.
    """
    folder = Path(env_settings().workspace_dir).expanduser() / "checkpoints" / "ltr" / module / name
    return load_network(folder, checkpoint, **kwargs)


def load_trained_network(
    workspace_dir: str, network_path: str, checkpoint: int | str | None = None
) -> nn.Module:
    """Old form of `load_network`: the network of `<workspace_dir>/checkpoints/<network_path>`."""
    return load_network(os.path.join(workspace_dir, "checkpoints", network_path), checkpoint)[0]


def load_weights(net: nn.Module, path: str | os.PathLike, strict: bool = True) -> nn.Module:
    """Load the weights in the checkpoint `path` into `net`; with `strict` False, whatever fits.
    Returns `net`.
    """
    weights = weights_of(files.read_checkpoint(path), Path(path))
    if strict:
        _load_weights(net, weights, Path(path))
    else:
        own = net.state_dict()
        net.load_state_dict(
            {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}, strict=False
        )
    return net


def torch_load_legacy(path: str | os.PathLike, trust_pickle: bool = False) -> dict[str, Any]:
    """Content of a checkpoint of any age, with `constructor`, `stats` and `settings` as objects
    again.
    """
    content = files.read_checkpoint(path, trust_pickle)
    revived: dict[str, Any] = {
        name: files.from_plain(content[name]) for name in ("stats", "settings") if name in content
    }
    if "constructor" in content:
        revived["constructor"] = files.constructor_from_plain(content["constructor"])
    return {**content, **revived}


def convert_checkpoint(
    path: str | os.PathLike, new_path: str | os.PathLike, trust_pickle: bool = False
) -> None:
    """Rewrite a checkpoint as a file of plain values. `trust_pickle` True runs whatever code the
    old file holds.
    """
    files.write_checkpoint(new_path, files.read_checkpoint(path, trust_pickle))


def find_checkpoint(
    network_dir: str | os.PathLike | None, checkpoint: int | str | os.PathLike | None = None
) -> Path:
    """The file that `load_network` reads for these arguments."""
    if isinstance(checkpoint, bool) or not isinstance(
        checkpoint, (int, str, os.PathLike, type(None))
    ):
        raise TypeError(
            f"checkpoint must be None, an epoch number or a path, not {type(checkpoint).__name__}"
        )
    if network_dir is not None and Path(network_dir).expanduser().is_file():
        return Path(network_dir).expanduser()
    if isinstance(checkpoint, (str, os.PathLike)):
        return Path(checkpoint).expanduser()
    if network_dir is None:
        raise BadValue("load_network was given neither a folder nor a file; pass one of them")
    folder = Path(network_dir).expanduser()
    if not folder.exists():
        raise MissingFile(
            f"No matching checkpoint file found: '{folder}' does not exist; correct the path"
        )
    found = files.checkpoint_files(folder)
    if checkpoint is None:
        if not found:  # networks under names of their own
            found = [
                files.CheckpointFile(path, "", 0, "")
                for path in sorted(folder.glob("*.pth.tar"))[-1:]
            ]
        wanted = [file for file in found if file.epoch == found[-1].epoch]
    else:
        wanted = [file for file in found if file.epoch == checkpoint]
    if not wanted:
        epochs = ", ".join(map(str, dict.fromkeys(file.epoch for file in found)))
        which = "" if checkpoint is None else f" for epoch {checkpoint}"
        raise MissingFile(
            f"No matching checkpoint file found in '{folder}'{which}; "
            + (f"it has epochs {epochs}" if epochs else "it holds no *_ep*.pth.tar")
        )
    best = min(wanted, key=lambda file: _rank(file.suffix)).suffix
    wanted = [file for file in wanted if file.suffix == best]
    if len(wanted) > 1 and checkpoint is not None:
        names = ", ".join(file.path.name for file in wanted)
        raise BadInput(
            f"Multiple matching checkpoint files found in '{folder}': {names}; give the path of one"
        )
    return wanted[-1].path


def weights_of(content: Mapping[str, Any], path: str | os.PathLike) -> Mapping[str, Tensor]:
    """The state dict in a checkpoint: its entry `net` (or `state_dict`, `model`), or all of it when
    it holds only tensors.
    """
    for name in ("net", "state_dict", "model"):
        if isinstance(content.get(name), Mapping) and "_type" not in content[name]:
            weights = content[name]
            break
    else:
        weights = content
        if not content or not all(isinstance(value, Tensor) for value in content.values()):
            raise BadValue(
                f"{path} holds no weights: it has the entries "
                f"{', '.join(map(str, list(content)[:8])) or 'none'} and no 'net'; give a "
                "checkpoint"
            )
    check_weights(weights, path)
    if weights and all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
    return weights


def load_state(
    net: nn.Module,
    weights: Mapping[str, Tensor],
    path: str | os.PathLike,
    may_be_missing: tuple[str, ...] = (),
) -> list[str]:
    """Load `weights` strictly, except names that start with one of `may_be_missing`; return those
    that were missing.

    BadValue says in one sentence which names are missing, unexpected or of another shape.
    """
    own = net.state_dict()
    missing = [name for name in own if name not in weights]
    tolerated = (
        [name for name in missing if name.startswith(may_be_missing)] if may_be_missing else []
    )
    problems = {
        "missing": [name for name in missing if name not in tolerated],
        "unexpected": [name for name in weights if name not in own],
        "of another shape": [
            name
            for name in weights
            if name in own
            and getattr(weights[name], "shape", None) != getattr(own[name], "shape", None)
        ],
    }
    if any(problems.values()):
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
            for what, names in problems.items()
            if names
        ]
        raise BadValue(
            f"{path} does not fit the network {type(net).__name__}: entries {'; '.join(parts)}; "
            "give a "
            "checkpoint of this network, or build the network as it was trained"
        )
    net.load_state_dict(weights, strict=not tolerated)
    return tolerated


def _load_weights(net: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    tolerated = load_state(unwrapped(net), weights, path, MAY_BE_MISSING)
    if tolerated:
        _log.warning(
            "%s has no weights for %s; they keep their initial values",
            path,
            tolerated[0].split(".")[0],
        )


def _build(
    constructor: NetConstructor | None,
    kwargs: dict,
    trusted_modules: Iterable[str],
    path: Path,
    weights: Mapping[str, Tensor],
    net_info: Any,
) -> nn.Module:
    family = _family(weights)
    if constructor is None and family is None:
        raise MissingConstructor(
            f"No constructor for the given network. {path} does not say how to build it; pass "
            "constructor_fun_name and constructor_module"
        )
    try:
        if constructor is not None:
            function = constructor_function(
                constructor.fun_module, constructor.fun_name, trusted_modules
            )
            if family is not None and function.__module__.startswith(family.__name__):
                # Weights know their sizes better than settings.
                sizes = _made(lambda: family.sizes(weights))
                kwargs = {**sizes, **kwargs}
            return _call(function, constructor, kwargs, path)
    except MissingConstructor as error:
        if family is None:
            raise MissingConstructor(f"{path}: {error}") from None
        _log.info(
            "%s: %s; built as %s from the shapes of its weights instead",
            path,
            error,
            family.__name__,
        )
    # A parameter file may know what neither the weights nor the file tell.
    known = {**(net_info or {}), **kwargs}
    assert family is not None
    return _made(lambda: family.from_state_dict(weights, known))


def _made(make: Callable[[], Any]) -> Any:
    """Call `make` with values of a file; what they break is a sentence."""
    try:
        return make()
    except (BadInput, ImportError):
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:150]
        raise BadValue(
            f"the network cannot be built as the file describes it "
            f"({type(error).__name__}: {reason}); copy the file again, or pass the argument to "
            "load_network by name"
        ) from error


def _family(weights: Mapping[str, Tensor]) -> ModuleType | None:
    """The module whose `from_state_dict` and `sizes` know networks with such weights."""
    module = next((module for entry, module in _FAMILIES.items() if entry in weights), None)
    return (
        None if module is None else importlib.import_module(module)
    )  # only when needed: it imports torchvision


def _call(function, constructor: NetConstructor, kwargs: dict, path: Path) -> nn.Module:
    """Call the factory with the stored arguments, replaced by those in `kwargs` that it knows."""
    parameters = list(inspect.signature(function).parameters.values())
    names = [parameter.name for parameter in parameters]
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    try:
        args, kwds = (
            files.from_plain(list(constructor.args)),
            dict(files.from_plain(constructor.kwds)),
        )
    except BadValue as error:
        raise MissingConstructor(
            f"{path}: the network cannot be built as it was, {error}; pass that argument to "
            "load_network by name"
        ) from None
    for settings in [*args, *kwds.values()]:
        if isinstance(settings, Settings):
            vars(settings).update(
                _SKIP_PRETRAINING, device="cpu"
            )  # the stored 'cuda' may not exist here
    changes = {name: value for name, value in _SKIP_PRETRAINING.items() if name in kwds}
    if "backbone_pretrained" in names:
        changes["backbone_pretrained"] = False
    changes.update(kwargs)
    for name, value in changes.items():
        if name in names[: len(args)]:
            args[names.index(name)] = value
        elif name in names or open_ended:
            kwds[name] = value
        elif name not in _SKIP_PRETRAINING:  # trackers pass these to every network
            print(
                f'WARNING: Keyword argument "{name}" not found when loading network. It was '
                "ignored."
            )
    return _made(lambda: function(*args, **kwds))


def _rank(suffix: str) -> int:
    return _SUFFIXES.index(suffix) if suffix in _SUFFIXES else len(_SUFFIXES)
