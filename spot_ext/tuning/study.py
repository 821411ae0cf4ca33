"""The trials of a search, kept by Optuna in a file, so that an interrupted search goes on where it
was.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from spot_ext.tuning.scores import Part, score
from spot_ext.tuning.space import Space, written

# trials proposed and tracked at once: raising it saves reading and passes, and lets fewer learn
# from others
TOGETHER = 8
STORE, SCORES = "study.db", "group "


@dataclass
class Trial:
    """One set of values, with the scores it has so far by sequence name."""

    number: int
    values: dict[str, float]
    parts: dict[str, Part] = field(default_factory=dict)
    score: float | None = None  # once all sequences are tracked
    stopped: bool = False  # given up early


class Study:
    """The search in `folder`, new or to go on with.

    Args:
        patience: sequences after which a trial may be given up. Raising it loses fewer good trials,
            and less time is saved.
        description: what must not change between runs, and can be written as JSON.
        space: ranges; they are widened where `defaults`, the values of trial 0, lie outside.
        seed: of the proposals, with the trial's number: a search that was interrupted proposes what
            it would have.
    """

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, Any],
        space: Space,
        defaults: Mapping[str, float],
        seed: int,
        patience: int,
    ):
        self.optuna, self.seed, self.defaults = _optuna(), seed, dict(defaults)
        folder.mkdir(parents=True, exist_ok=True)
        pruner = self.optuna.pruners.MedianPruner(
            n_startup_trials=TOGETHER, n_warmup_steps=patience
        )
        self.study = self.optuna.create_study(
            storage=f"sqlite:///{(folder / STORE).resolve()}",
            study_name="tune",
            direction="maximize",
            pruner=pruner,
            load_if_exists=True,
        )
        known = self.study.user_attrs.get("search")
        if known is None:
            self.study.set_user_attr("search", dict(description))
        elif known != (now := dict(description)):
            name = next(key for key in {**known, **now} if known.get(key) != now.get(key))
            raise BadInput(
                f"{folder} holds a search with another {name} ({_short(known.get(name))} there, "
                f"{_short(now.get(name))} now) - give another --run folder, or delete this one"
            )
        self.parts: dict[
            str, dict[str, Part]
        ] = {}  # of all trials: number (as text, for JSON) -> sequence name -> score
        for key, scores in self.study.user_attrs.items():
            if key.startswith(SCORES):
                for number, part in scores.items():
                    self.parts.setdefault(number, {})[key.split(" ", 2)[2]] = tuple(part)
        self.ranges = {
            name: self._range(min(low, defaults[name]), max(high, defaults[name]))
            for name, (low, high) in space.items()
        }

    def trials(self) -> list[Trial]:
        """All trials begun, by number."""
        states = self.optuna.trial.TrialState
        return [
            Trial(
                one.number,
                self._values(one.number, one.params),
                self.parts.setdefault(str(one.number), {}),
                one.value if one.state == states.COMPLETE else None,
                one.state == states.PRUNED,
            )
            for one in self._asked()
        ]

    def next_group(self, total: int) -> list[Trial]:
        """The trials to track now, as far as `total` goes: those an earlier run did not finish, and
        new ones.
        """
        asked = self._asked()
        unfinished = [
            one.number for one in asked if not one.state.is_finished() and one.number < total
        ]
        group = (unfinished[0] if unfinished else len(asked)) // TOGETHER
        for number in range(len(asked), min(total, (group + 1) * TOGETHER)):
            self._ask(number)
        return [
            trial
            for trial in self.trials()
            if trial.score is None and not trial.stopped and trial.number < total
        ]

    def add(self, sequence: str, trials: Sequence[Trial], parts: Sequence[Part]) -> None:
        """Keep the scores of some trials of one group on one sequence."""
        for trial, part in zip(trials, parts, strict=True):
            trial.parts[sequence] = part
        group = trials[0].number // TOGETHER
        numbers = map(str, range(group * TOGETHER, (group + 1) * TOGETHER))
        known = {
            number: self.parts[number][sequence]
            for number in numbers
            if sequence in self.parts.get(number, ())
        }
        self.study.set_user_attr(f"{SCORES}{group} {sequence}", known)

    def judge(self, trial: Trial, complete: bool) -> None:
        """End `trial` when all its sequences are there, or when it is below the median of those
        before it.
        """
        value = score(trial.parts.values())
        if complete:
            self.study.tell(trial.number, value)
            trial.score = value
            return
        handle, step = self._handle(trial), len(trial.parts)
        if step not in self._asked()[trial.number].intermediate_values:
            handle.report(value, step)
        if trial.number > 0 and handle.should_prune():
            self.study.tell(trial.number, state=self.optuna.trial.TrialState.PRUNED)
            trial.stopped = True

    def _ask(self, number: int) -> None:
        if number == 0:
            self.study.enqueue_trial(self.defaults, skip_if_exists=True)
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
            self.study.sampler = self.optuna.samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True
            )
        self.study.ask(self.ranges)

    def _asked(self) -> list:
        waiting = self.optuna.trial.TrialState.WAITING
        return [one for one in self.study.get_trials(deepcopy=False) if one.state != waiting]

    def _handle(self, trial: Trial):
        return self.optuna.trial.Trial(self.study, self._asked()[trial.number]._trial_id)

    def _values(self, number: int, params: Mapping[str, float]) -> dict[str, float]:
        return (
            self.defaults if number == 0 else {name: written(params[name]) for name in self.ranges}
        )

    def _range(self, low: float, high: float):
        kind = (
            "IntDistribution"
            if isinstance(low, int) and isinstance(high, int)
            else "FloatDistribution"
        )
        return getattr(self.optuna.distributions, kind)(low, high)


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise BadInput('tune needs the package optuna: pip install "spot-tracking[tune]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _short(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, list) else str(value)
