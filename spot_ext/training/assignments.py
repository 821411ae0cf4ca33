"""The assignments of a command line, `--set NAME=VALUE`, read into the settings of a recipe.

All are read before any value is looked at, so their order does not count; every fault is told in
one answer.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ltr.admin.errors import BadValue, suggestion

# The setting whose value is a list of names out of the recipe's own data sets.
DATASETS = "datasets"


class NamedDataset(Protocol):
    """A data set of a recipe, known by its name."""

    @property
    def name(self) -> str:
        """Return the name of its class, e.g. 'Lasot'."""
        ...


def join_faults(faults: Sequence[str]) -> BadValue:
    """Return one error that tells every fault, each once."""
    return BadValue("; and ".join(dict.fromkeys(faults)))


def read_assignments(config: Any, assignments: Mapping[str, str]) -> tuple[dict, list[str]]:
    """Return the changes that the assignments make to `config`, and a sentence for each fault.

    The changes are arguments of `config.replace`. An assignment with a fault makes none.
    """
    changes: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in assignments.items():
        try:
            _read_assignment(config, name, text, changes)
        except BadValue as fault:
            faults.append(str(fault))
    for part, value in list(changes.items()):
        owner = getattr(config, part)
        if not isinstance(value, dict) or isinstance(owner, Mapping):
            continue
        # A part checks itself when it is made; what is wrong with it is one fault among others.
        try:
            dataclasses.replace(owner, **value)
        except BadValue as fault:
            faults.append(str(fault))
            del changes[part]
    return changes, faults


def _read_assignment(config: Any, name: str, text: str, changes: dict[str, Any]) -> None:
    """Enter one assignment in `changes`; BadValue for an unknown name or a value of no use."""
    part, _, key = name.rpartition(".")
    owner = getattr(config, part, None) if part else config
    if isinstance(owner, Mapping):
        # The network's options; its factory knows which there are. Of several names a factory may
        # also take one.
        now = owner.get(key)
        value = parse_value(name, text, None if isinstance(now, tuple) else now)
        changes[part] = {**changes.get(part, owner), key: value}
        return
    known = [
        f"{part}.{f.name}" if part else f.name
        for f in dataclasses.fields(owner if dataclasses.is_dataclass(owner) else config)
    ]
    if not dataclasses.is_dataclass(owner) or name not in known:
        raise BadValue(f"a SPOT recipe has no setting '{name}'{suggestion(name, known)}")
    if name == DATASETS:
        changes[DATASETS] = choose_datasets(config.datasets, text)
        return
    value = parse_value(name, text, getattr(owner, key), _takes_none(owner, key))
    if part:
        changes.setdefault(part, {})[key] = value
    else:
        changes[key] = value


def choose_datasets(datasets: Sequence[NamedDataset], text: str) -> tuple[Any, ...]:
    """Return those of a recipe's data sets whose names `text` lists, e.g. 'lasot,got10k'.

    Upper and lower case are the same. They stay in the recipe's order, as the draws of a training
    depend on it. BadValue for a name that the recipe does not have, or none at all.
    """
    known = [dataset.name.lower() for dataset in datasets]
    if not known:
        raise BadValue(
            f"--set {DATASETS}={text}: this recipe makes its own data set, there is none to leave "
            "out; leave this --set out"
        )
    chosen = {name.strip().lower() for name in text.split(",") if name.strip()}
    unknown = sorted(chosen.difference(known))
    if unknown or not chosen:
        hint = suggestion(unknown[0], known) if unknown else ""
        what = f"the recipe has no data set '{unknown[0]}'{hint}" if unknown else "no name is given"
        raise BadValue(f"--set {DATASETS}={text}: {what}; choose among {','.join(known)}")
    return tuple(dataset for dataset in datasets if dataset.name.lower() in chosen)


def _takes_none(owner: Any, key: str) -> bool:
    """Return true for a setting that may also be None, e.g. `k`."""
    annotation = next(f.type for f in dataclasses.fields(owner) if f.name == key)
    return "None" in str(annotation)


def parse_value(name: str, text: str, current: Any, optional: bool = False) -> Any:
    """Read a value of the type the setting has now, or None where that is one of its values."""
    if optional and text.lower() == "none":
        return None
    if isinstance(current, str):
        return text
    try:
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
        value = ast.literal_eval(text) if value is text else value
    except (ValueError, SyntaxError):
        value = text
    if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if (
        current is not None
        and type(value) is not type(current)
        and not isinstance(current, Mapping)
    ):
        raise BadValue(
            f"--set {name}={text}: expected a value of type {type(current).__name__}, like "
            f"{current}"
        )
    return value
