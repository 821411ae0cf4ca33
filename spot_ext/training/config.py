"""Everything a recipe decides, typed and in one place; a variant of a recipe replaces a few of
these values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from ltr.data.faults import DEFAULT_SHARE, checked_share
from ltr.parallel.precision import PRECISIONS
from spot_ext.training import architectures
from spot_ext.training.assignments import join_faults, read_assignments
from spot_ext.training.augmentation import AugmentConfig
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.data.videos import STAGES
from spot_ext.training.limits import limit_faults


@dataclass(frozen=True)
class DatasetConfig:
    """A training data set: its class in `ltr.dataset`, the constructor's arguments, and the stages
    it serves.
    """

    name: str  # 'Lasot', 'Got10k', 'TrackingNet', 'VideoFolder'
    options: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] = STAGES
    labels: str | None = (
        None  # key-frame result file; None: found or chosen by the recipe's k and seed
    )
    walk_back: bool = False  # TrackingNet: only about one box per second is human


@dataclass(frozen=True)
class TeacherConfig:
    """Settings by which pseudo-labels are found and kept."""

    keep_rate: float = 0.998  # higher: a slower, steadier teacher
    interval: int = 5  # iterations between updates
    window_weight: float = (
        0.40  # temporal calibration; higher trusts the neighbouring frame's box more
    )
    iou_threshold: float = 0.85  # higher: fewer and better pseudo-labels
    max_repeats: int | None = (
        None  # how often an accepted pseudo-label may stand in for rejected ones; None: no limit
    )
    propagating_step: int = 1  # how far from explored frames new ones are sought
    reference_mode: bool = (
        False  # True: dropout and batch statistics in the teacher, as the published runs had
    )


@dataclass(frozen=True)
class ReferenceConfig:
    """Where ours differs from the reference on purpose, True brings its behaviour back; see
    docs/fidelity.md.

    Three more switches stand with what they change: `teacher.reference_mode`,
    `augment.reference_grey` and `augment.reference_clamp`.
    """

    # which positions are positive, and what the IoU head learns around the target; see there
    targets: bool = False
    # the store protects labels by their confidence only, and some pseudo-labels by accident
    key_guard: bool = False
    same_relay: bool = False  # the relay frame may be the unlabelled frame itself
    review_guess: bool = (
        False  # a labelled frame that is drawn as unlabelled is learned with the teacher's box
    )
    moving_norms: bool = False  # batch norms of a backbone that is held still go on averaging
    drop_empty: bool = (
        False  # an iteration without any accepted pseudo-label is skipped, labelled half included
    )


@dataclass(frozen=True)
class OptimConfig:
    """Settings by which the student learns. Schedule 'step' multiplies the rates by `decay` after
    `decay_epoch`.

    Schedule 'log' has 50 steps of as many epochs: 5 of warm-up from `start_lr` to `lr`, 45 of decay
    to `final_lr`, both geometric; the backbone's rate keeps its proportion.
    """

    method: str = "adamw"  # or 'sgd'
    lr: float = 1e-4
    lr_backbone: float = 1e-5
    weight_decay: float = 1e-4
    momentum: float = 0.9  # of sgd
    schedule: str = "step"  # or 'log'
    decay_epoch: int = 300
    decay: float = 0.1
    start_lr: float = 1e-3
    final_lr: float = 1e-5
    unfreeze_epoch: int | None = (
        None  # the first in which the backbone learns; None: from the start
    )
    max_grad_norm: float | None = None
    fused: bool | None = None  # a step in a few kernels; None: on a GPU
    # iterations in a row whose loss or gradient is not finite; they are skipped, more end the run
    max_nonfinite: int = 20

    def __post_init__(self) -> None:
        for name, known in (("method", ("adamw", "sgd")), ("schedule", ("step", "log"))):
            if getattr(self, name) not in known:
                raise BadValue(
                    f"optim.{name} is "
                    f"'{getattr(self, name)}'{suggestion(getattr(self, name), known)}: choose "
                    f"{' or '.join(known)}"
                )


@dataclass(frozen=True)
class SparseConfig:
    """A SPOT training run. The defaults are the published run with three labels per video, on its
    first network.
    """

    datasets: tuple[DatasetConfig, ...]
    k: int | None = 3  # labelled frames per video; None: all that show the target, full supervision
    architecture: str = architectures.DEFAULT
    network: Mapping[str, Any] = field(default_factory=dict)  # options of the network's factory
    init_from: str | None = (
        # checkpoint with the initial weights, backbone included; 'shipped': those of the package
        None
    )
    burn_in_epochs: int = 50
    epochs: int = 400  # both stages together
    iterations: int = 1000  # per epoch
    batch: int = 32  # labelled pairs per burn-in iteration
    labelled: int = 8  # labelled pairs per sparse iteration
    unlabelled: int = 24  # triplets per sparse iteration; 0 goes on with labels only
    # labelled pairs that get another path's template, to learn low confidence in what is not there
    absent_share: float = 0.0
    pair_gap: int | None = (
        None  # frames between template and search of a labelled pair, at most; None: any two labels
    )
    # 'fp32', 'tf32' (as fp32 on a CPU) or 'bf16' for both networks, see `ltr.parallel.precision`
    precision: str = "tf32"
    accumulate: int = 1  # parts a batch is learned in: less memory; batch norms average over a part
    compile: bool = (
        False  # torch.compile for both networks: minutes at the start, faster iterations on a GPU
    )
    num_workers: int | None = (
        None  # that load data; None: as many as there are cores for (`ltr.parallel.cores`)
    )
    frame_cache_mb: float = 256
    max_fault_share: float = (
        DEFAULT_SHARE  # draws of an epoch that may meet unusable files; more of them end the run
    )
    checkpoint_interval: int = 1  # epochs
    keep_checkpoints: int = 3  # newest ones kept on disk, besides every `keep_every`-th
    keep_every: int = 25
    publish: str | None = (
        None  # file stem in pytracking's network folder that always holds the newest teacher
    )
    crops: CropConfig = field(default_factory=CropConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)

    def replace(self, **changes: Any) -> SparseConfig:
        """A copy with other values; `crops`, `augment`, `teacher`, `optim` and `reference` take a
        dict of changes.
        """
        for name, value in changes.items():
            if name not in (known := [f.name for f in dataclasses.fields(self)]):
                raise BadValue(f"a SPOT recipe has no setting '{name}'{suggestion(name, known)}")
            part = getattr(self, name)
            is_part = dataclasses.is_dataclass(part) and not isinstance(part, type)
            if isinstance(value, Mapping) and is_part:
                for key in value:
                    if key not in (inner := [f.name for f in dataclasses.fields(part)]):
                        raise BadValue(f"'{name}' has no setting '{key}'{suggestion(key, inner)}")
                changes[name] = dataclasses.replace(part, **value)
        return dataclasses.replace(self, **changes)

    def override(self, assignments: Mapping[str, str]) -> SparseConfig:
        """Return a copy with the assignments of a command line.

        They are for example `{'k': '5', 'teacher.iou_threshold': '0.8', 'network.width': '8'}`. All
        are made before the values are looked at: their order does not count. BadValue tells every
        fault of names, types and values in one answer.
        """
        changes, faults = read_assignments(self, assignments)
        try:
            changed = self.replace(**changes)
        except BadValue as fault:
            faults.append(str(fault))
        if faults:
            raise join_faults(faults)
        return changed

    def to_plain(self) -> dict[str, Any]:
        """The configuration as plain values, for checkpoints and reports."""
        return dataclasses.asdict(self)

    def __post_init__(self) -> None:
        for part, kind in (
            ("crops", CropConfig),
            ("augment", AugmentConfig),
            ("teacher", TeacherConfig),
            ("optim", OptimConfig),
            ("reference", ReferenceConfig),
        ):
            if not isinstance(getattr(self, part), kind):
                raise BadValue(f"{part} must be a {kind.__name__}, e.g. {kind.__name__}()")
        checked_share(self.max_fault_share)
        faults = list(self._faults())
        if faults:
            raise join_faults(faults)

    def _faults(self) -> Iterator[str]:
        """Yield a sentence for each value that makes no training."""
        yield from limit_faults(self)
        # The limits have told a value below 1; what follows from it is not told.
        if 1 <= min(self.batch, self.labelled) < self.accumulate:
            yield (
                f"accumulate is {self.accumulate}, but every part of a batch needs a labelled "
                "pair: give at most "
                f"{min(self.batch, self.labelled)}, or raise batch and labelled"
            )
        if self.precision not in PRECISIONS:
            yield (
                f"precision is '{self.precision}'{suggestion(self.precision, PRECISIONS)}: choose "
                f"{', '.join(PRECISIONS)}"
            )
        if not 0 <= self.absent_share < 1:
            yield (
                f"absent_share is {self.absent_share}: give a share of 0 or more and less than 1"
            )
        if self.epochs >= 1 and not 0 <= self.burn_in_epochs <= self.epochs:
            yield (
                f"burn_in_epochs is {self.burn_in_epochs}: give a number from 0 to epochs "
                f"({self.epochs})"
            )
