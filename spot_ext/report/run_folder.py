"""Reads a run's folder: what the newest checkpoint, the history and the store say. Nothing here
writes.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.io.checkpoint import checkpoint_files, read_checkpoint
from spot_ext.training import history
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.pseudo_labels import PseudoLabelStore

Curve = dict[int, float]  # epoch -> value


@dataclass(frozen=True, eq=False)
class Run:
    """Hold one training run as it is on disk."""

    folder: Path
    epoch: int  # of the newest checkpoint
    net_type: str
    curves: Mapping[str, Curve]  # statistic -> its mean in each epoch
    recipe: Mapping[str, Any]  # plain values; empty for runs of other trainers
    seed: int | None
    settings: Mapping[str, Any]
    epochs: tuple[history.Epoch, ...] = ()  # what `history.jsonl` adds
    store: PseudoLabelStore | None = None  # the version of `epoch`
    parameters: int = 0
    student: Path | None = None
    teacher: Path | None = None
    notes: list[str] = field(default_factory=list)  # sentences about what could not be read

    @property
    def name(self) -> str:
        """The last parts of its folder that tell it from others."""
        parts = str(self.settings.get("project_path") or self.folder).strip("/").split("/")
        return "/".join(parts[1:] if parts[0] == "ltr" else parts[-3:])

    @property
    def burn_in(self) -> int | None:
        """Epochs of burn-in; None where a run has no stages."""
        return self.recipe.get("burn_in_epochs")

    def curve(self, name: str) -> Curve:
        """Return one statistic by epoch, empty when it was never counted."""
        return self.curves.get(name, {})


def open_run(folder: Path) -> Run:
    """Read the run in `folder`, or in its part `spot` when that is a quickstart's folder.
    MissingFile without a checkpoint.
    """
    folder = run_folder(folder)
    newest = _newest(folder)
    content = read_checkpoint(newest)
    notes: list[str] = []
    try:
        epochs = tuple(
            item for item in history.read(folder) if item.number <= content.get("epoch", 0)
        )
    except BadInput as error:
        epochs = ()
        notes.append(f"The history was left out: {error}.")
    teacher = newest.with_name(newest.name.replace("_s.pth.tar", "_t.pth.tar"))
    recipe = content.get("recipe") or {}
    run = Run(
        folder,
        int(content.get("epoch", 0)),
        str(content.get("net_type", "")),
        _curves(content, epochs, notes),
        recipe,
        content.get("seed", (content.get("settings") or {}).get("seed")),
        content.get("settings") or {},
        epochs,
        None,
        sum(value.numel() for value in content.get("net", {}).values() if hasattr(value, "numel")),
        newest,
        teacher if teacher != newest and teacher.is_file() else None,
        notes,
    )
    return dataclasses.replace(run, store=_store(run))


def run_folder(folder: Path) -> Path:
    """`folder`, or the part of a quickstart's folder that was trained with SPOT; MissingFile when
    neither is there.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise MissingFile(
            f"there is no folder {folder}; give the folder of a run, which holds its checkpoints"
        )
    if not checkpoint_files(folder) and checkpoint_files(folder / "spot"):
        return folder / "spot"
    return folder


def config_of(recipe: Mapping[str, Any]) -> SparseConfig:
    """The recipe a checkpoint names, with today's defaults for settings it did not have yet, and
    without those of a later version. BadValue when a value is no longer allowed.
    """
    datasets = tuple(
        DatasetConfig(**_known(DatasetConfig, part)) for part in recipe.get("datasets", ())
    )
    values, hints = _known(SparseConfig, recipe), typing.get_type_hints(SparseConfig)
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            values[name] = hints[name](**_known(hints[name], value))
    try:
        return SparseConfig(**{**values, "datasets": datasets})
    except TypeError as error:
        raise BadValue(f"the recipe in the checkpoint cannot be read ({error})") from error


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        item.name: values[item.name] for item in dataclasses.fields(kind) if item.name in values
    }


def _newest(folder: Path) -> Path:
    files = checkpoint_files(folder)
    students = [file for file in files if file.suffix == "_s"] or [
        file for file in files if file.suffix != "_t"
    ]
    if not students:
        inside = sorted(
            {path.parent for path in folder.glob("*/*.pth.tar")}
            | {path.parent for path in folder.glob("*/*/*.pth.tar")}
        )
        hint = (
            f"; give one of its runs, e.g. {inside[0]}"
            if inside
            else "; give the folder of a run, below checkpoints in "
            "workspace_dir of local.py, after its first epoch"
        )
        raise MissingFile(f"{folder} holds no checkpoint{hint}")
    return students[-1].path


def _curves(
    content: Mapping[str, Any], epochs: tuple[history.Epoch, ...], notes: list[str]
) -> dict[str, Curve]:
    """Means by epoch. The checkpoint's lists begin when a statistic first appeared and end with its
    epoch; the history is exact also for those that were not counted in every epoch.
    """
    last, curves = int(content.get("epoch", 0)), {}
    stats = content.get("stats")
    for name, meter in (stats.get("train", {}) if isinstance(stats, Mapping) else {}).items():
        values = meter.get("history", []) if isinstance(meter, Mapping) else []
        values = values[-last:] if last else []
        curves[name] = {last - len(values) + 1 + i: float(value) for i, value in enumerate(values)}
    for line in epochs:
        for curve in curves.values():
            curve.pop(line.number, None)
        for name, value in line.stats.items():
            if value is not None:
                curves.setdefault(name, {})[line.number] = value
    for name, curve in curves.items():
        lost = [epoch for epoch, value in curve.items() if not math.isfinite(value)]
        if lost:
            notes.append(
                f"{name} is not a number from epoch {lost[0]} on."
                if len(lost) > 1 and lost[-1] == last
                else f"{name} is not a number in {len(lost)} epochs, first in epoch {lost[0]}."
            )
    finite = {
        name: {epoch: value for epoch, value in sorted(curve.items()) if math.isfinite(value)}
        for name, curve in curves.items()
    }
    return {name: curve for name, curve in finite.items() if curve}


def _store(run: Run) -> PseudoLabelStore | None:
    """The version of the newest checkpoint, else the newest there is before it."""
    folder = run.folder / "store"
    try:
        versions = PseudoLabelStore.open(folder, 0, verify=False).epochs()
        return PseudoLabelStore.open(
            folder, max(epoch for epoch in versions if epoch <= run.epoch), verify=False
        )
    except BadInput as error:
        if run.recipe:
            run.notes.append(f"The pseudo-label store could not be read: {error}.")
        return None
