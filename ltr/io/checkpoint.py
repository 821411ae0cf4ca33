"""Checkpoint files: written whole or not at all, and holding tensors and plain Python values only.

Nothing in such a file can run code when it is read. Files of pytracking, TransT and SPOT, which
pickle a handful of known classes, are read through an allow-list and come out as the same plain
values. Every other pickled object is refused, unless the caller trusts the file.

Plain forms: a NetConstructor is `{fun_name, fun_module, args, kwds}`; Settings, statistics and
whatever else has no plain form are a dict whose key `_type` names the class.
"""

from __future__ import annotations

import enum
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import numpy as np
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.model_constructor import NetConstructor
from ltr.admin.settings import Settings
from ltr.admin.stats import AverageMeter, StatValue
from ltr.io import weights
from ltr.io.description import check_description
from ltr.io.files import CannotWrite, atomic_write

TYPE = "_type"
_REVIVED = (AverageMeter, StatValue, Settings)
_FILE_NAME = re.compile(r"(?P<net_type>.+)_ep(?P<epoch>\d+)(?P<suffix>_[a-z]+)?\.pth\.tar")


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint on disk, as its name `<net_type>_ep<epoch><suffix>.pth.tar` describes it."""

    path: Path
    net_type: str
    epoch: int
    suffix: str  # '' for one file an epoch; SPOT writes '_s' (student) and '_t' (teacher)


def checkpoint_files(directory: str | os.PathLike) -> list[CheckpointFile]:
    """All checkpoints in `directory` (none when it does not exist), by epoch as a number, then by
    name.
    """
    found = []
    for path in Path(directory).expanduser().glob("*.pth.tar"):
        if match := _FILE_NAME.fullmatch(path.name):
            found.append(
                CheckpointFile(path, match["net_type"], int(match["epoch"]), match["suffix"] or "")
            )
    return sorted(found, key=lambda file: (file.epoch, file.path.name))


def write_checkpoint(path: str | os.PathLike, state: Mapping[str, Any]) -> None:
    """Write `to_plain(state)` in one step; a crash leaves the old file or the new one. Raises
    BadInput when it cannot.

    A file named *.safetensors keeps the network only, see `ltr.io.weights`.
    """
    if Path(path).suffix == weights.SUFFIX:
        return weights.write_weights(path, to_plain(state))
    try:
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            _save(to_plain(state), file)
    except CannotWrite:
        raise
    except (OSError, RuntimeError) as error:
        raise BadInput(
            f"checkpoint {path} could not be written ({_in_short(error)}); free space on its disk "
            "or "
            "change workspace_dir in ltr/admin/local.py"
        ) from error


def _save(content: Any, file: BinaryIO) -> None:
    """`torch.save`, which does not always tell why it could not write to `file`: then the file's
    own error is raised.
    """
    reasons: list[OSError] = []

    def noting(act: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            try:
                return act(*arguments)
            except OSError as error:
                reasons.append(error)
                raise

        return noted

    try:
        torch.save(content, SimpleNamespace(write=noting(file.write), flush=noting(file.flush)))
    except (OSError, RuntimeError) as error:
        if not reasons:
            raise
        raise reasons[0] from error


def read_checkpoint(
    path: str | os.PathLike, trust_pickle: bool = False, verify: bool = True
) -> dict[str, Any]:
    """Return the content of a checkpoint file on the CPU, as plain values whatever wrote it.

    `trust_pickle` also reads files with arbitrary Python objects, which can run any code: only for
    files of your own. `verify` compares the checksums in the file, which torch does not: bits that
    flipped in the weights would train on unseen (about 1 s a GB). The description of the network is
    checked, see `ltr.io.description`. Raises MissingFile or BadValue, naming the file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingFile(f"there is no checkpoint file {path}; correct the path")
    if path.suffix == weights.SUFFIX:
        content = weights.read_weights(path)
        check_description(content, path)
        return content
    if verify and not _checksums_fit(path):
        raise BadValue(
            f"{path} is damaged (a checksum is wrong); copy it again, or use the one of an "
            "earlier epoch"
        )
    try:
        with torch.serialization.safe_globals(_allowed_globals()), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # about pickle protocols of files that are refused below
            content = torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as error:
        raise _refusal(path, error) from error
    except BadInput:  # a broken local.py, which stored settings read
        raise
    except Exception as error:  # what a damaged file raises depends on where the damage is
        raise BadValue(
            f"{path} is not a checkpoint or is damaged ({_in_short(error)}); copy it again, or "
            "use the "
            "one of an earlier epoch"
        ) from error
    if not isinstance(content, Mapping):
        raise BadValue(
            f"{path} holds a {type(content).__name__} instead of a dict of weights; give a "
            "checkpoint"
        )
    try:
        plain = to_plain(content)
    except (RecursionError, TypeError) as error:
        raise BadValue(
            f"{path} is not a checkpoint or is damaged (its values hold each other, or are nested "
            "too deeply); copy it again, or use the one of an earlier epoch"
        ) from error
    check_description(plain, path)
    return plain


def _checksums_fit(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return True  # torch says what it is
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False


def to_plain(value: Any) -> Any:
    """`value` made of tensors and plain Python values.

    Arrays become tensors, sets lists, paths and devices text. Objects without a plain form are only
    named and described: they cannot be rebuilt.
    """
    if value is None or type(value) in (bool, int, float, complex, str, bytes, torch.dtype):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach()
    for kinds, convert in _PLAIN_FORMS:
        if isinstance(value, kinds):
            return convert(value)
    return _object_to_plain(value)


def _mapping_to_plain(value: Mapping) -> dict[Any, Any]:
    plain: dict[Any, Any] = OrderedDict() if isinstance(value, OrderedDict) else {}
    plain.update((to_plain(key), to_plain(item)) for key, item in value.items())
    # A state dict's module versions, which load_state_dict reads.
    if hasattr(value, "_metadata"):
        setattr(plain, "_metadata", to_plain(value._metadata))  # noqa: B010 - torch does so
    return plain


def _array_to_plain(value: np.ndarray) -> torch.Tensor | list:
    return torch.from_numpy(value.copy()) if value.dtype.kind in "biuf" else value.tolist()


# Kinds and how each becomes plain; the first that fits is taken. The last ones are subclasses of
# plain types.
_PLAIN_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Mapping, _mapping_to_plain),
    (tuple, lambda value: tuple(to_plain(item) for item in value)),
    ((list, set, frozenset), lambda value: [to_plain(item) for item in value]),
    (enum.Enum, lambda value: to_plain(value.value)),
    (np.generic, lambda value: value.item()),
    (np.ndarray, _array_to_plain),
    (bool, bool),
    (int, int),
    (float, float),
    (str, str),
    ((os.PathLike, torch.device), str),
)


def _object_to_plain(value: Any) -> dict[str, Any]:
    if isinstance(value, NetConstructor):
        return {
            name: to_plain(getattr(value, name))
            for name in ("fun_name", "fun_module", "args", "kwds")
        }
    for known in _REVIVED:
        if isinstance(value, known):
            attributes = {
                name: item for name, item in vars(value).items() if name != "env"
            }  # machine paths stay here
            return {TYPE: known.__name__, **to_plain(attributes)}
    return {
        TYPE: f"{type(value).__module__}.{type(value).__qualname__}",
        "description": repr(value)[:200],
    }


def from_plain(value: Any) -> Any:
    """Inverse of `to_plain` for settings and statistics, inside any nesting; BadValue for other
    objects.
    """
    if isinstance(value, Mapping) and TYPE in value:
        attributes = {name: from_plain(item) for name, item in value.items() if name != TYPE}
        if value[TYPE] == Settings.__name__:
            return Settings.from_plain(attributes)
        for known in (AverageMeter, StatValue):
            if value[TYPE] == known.__name__:
                revived = known()
                vars(revived).update(attributes)
                return revived
        raise BadValue(
            f"an object of type {value[TYPE]} was not stored in the checkpoint, only its "
            "description"
        )
    if isinstance(value, Mapping):
        as_dict = cast(type[dict], type(value))
        return as_dict((key, from_plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(from_plain(item) for item in value)
    return value


def constructor_from_plain(constructor: Any) -> NetConstructor | None:
    """The NetConstructor of a checkpoint's entry `constructor`, its arguments still in plain form;
    None without one.
    """
    try:
        return NetConstructor(
            *(constructor[name] for name in ("fun_name", "fun_module", "args", "kwds"))
        )
    except (TypeError, KeyError):
        return None


class _StoredEnvironment:
    """Takes the place of `EnvironmentSettings` in pickled settings: the class is another user's own
    code.
    """


def _allowed_globals() -> list:
    """Classes that old checkpoints pickle, under every name they have had."""
    utils = "dlframework.common.utils"
    modules: dict[str, list[type]] = {
        "model_constructor": [NetConstructor],
        "stats": [AverageMeter, StatValue],
        "settings": [Settings],
    }
    allowed: list = []
    # OSTrack's code keeps its copy of pytracking's classes in a package of its own.
    for place in ("ltr.admin", utils, "lib.train.admin"):
        allowed.append((_StoredEnvironment, f"{place}.local.EnvironmentSettings"))
        for module, classes in modules.items():
            allowed += [(known, f"{place}.{module}.{known.__name__}") for known in classes]
    numbers = [
        np.dtype(code)
        for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    ]
    allowed += [np.dtype, np.ndarray, *dict.fromkeys(type(number) for number in numbers)]
    for core in (
        "numpy.core.multiarray",
        "numpy._core.multiarray",
    ):  # the functions moved with NumPy 2
        allowed += [
            (np.float64(0).__reduce__()[0], f"{core}.scalar"),
            (np.zeros(0).__reduce__()[0], f"{core}._reconstruct"),
        ]
    return allowed


def _refusal(path: Path, error: Exception) -> BadValue:
    if match := re.search(r"GLOBAL (\S+)", str(error)):
        return BadValue(
            f"{path} holds a pickled object of type {match[1]}, which reading could turn into "
            "running its "
            "code; if you trust the file, read it once with "
            "ltr.admin.loading.convert_checkpoint(path, "
            "new_path, trust_pickle=True) and use the new file"
        )
    return BadValue(
        f"{path} is not a checkpoint or is damaged ({_in_short(error)}); copy it again, or use "
        "the one "
        "of an earlier epoch"
    )


def _in_short(error: Exception) -> str:
    """Return what an error says in short: torch adds paragraphs of advice."""
    text = str(error).strip()
    return text.splitlines()[0].split(". ")[0][:150] if text else type(error).__name__
