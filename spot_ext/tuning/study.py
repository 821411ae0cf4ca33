"""The trials of a search, kept by Optuna in a file, so that an interrupted search goes on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.admin.installing import install_command
from ltr.frames.fingerprint import changed_videos
from spot_ext.tuning.scores import Part, score
from spot_ext.tuning.space import Space, written

# Trials that are proposed and tracked at once. Raising it saves reading frames and passes of the
# network, and lets fewer trials learn from others.
TRIALS_IN_GROUP = 8

STUDY_FILE = "study.db"
# The study's attribute with the description of the search.
DESCRIPTION = "search"
# The entry of the description with a fingerprint of every sequence.
FRAMES = "frames"
# Attributes "group 0 <sequence>" hold the scores of a group's trials on one sequence.
SCORES_PREFIX = "group "


@dataclass
class Trial:
    """A set of values, with the scores it has so far by sequence name."""

    number: int
    values: dict[str, float]
    parts: dict[str, Part] = field(default_factory=dict)
    score: float | None = None  # once all sequences are tracked
    stopped: bool = False  # given up early

    @property
    def is_finished(self) -> bool:
        """Return whether nothing of it is left to track."""
        return self.score is not None or self.stopped


class Study:
    """The search in `folder`, new or to go on with.

    Args:
        description: values that must not change between runs, as JSON can hold them.
        space: ranges; they are widened where `defaults`, the values of trial 0, lie outside.
        seed: of the proposals, together with the trial's number: a search that was interrupted
            proposes what it would have.
        patience: sequences after which a trial may be given up. Raising it loses fewer good trials
            and saves less time.

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
        self.optuna = _optuna()
        self.seed = seed
        self.defaults = dict(defaults)
        folder.mkdir(parents=True, exist_ok=True)
        self.study = self.optuna.create_study(
            storage=f"sqlite:///{(folder / STUDY_FILE).resolve()}",
            study_name="tune",
            direction="maximize",
            pruner=self.optuna.pruners.MedianPruner(
                n_startup_trials=TRIALS_IN_GROUP, n_warmup_steps=patience
            ),
            load_if_exists=True,
        )
        self._check_description(folder, dict(description))
        self.parts = self._stored_parts()
        self.ranges = {
            name: self._range(min(low, defaults[name]), max(high, defaults[name]))
            for name, (low, high) in space.items()
        }

    def trials(self) -> list[Trial]:
        """Return all trials begun, by number."""
        states = self.optuna.trial.TrialState
        return [
            Trial(
                number=asked.number,
                values=self._values(asked.number, asked.params),
                parts=self.parts.setdefault(asked.number, {}),
                score=asked.value if asked.state == states.COMPLETE else None,
                stopped=asked.state == states.PRUNED,
            )
            for asked in self._asked()
        ]

    def next_group(self, total: int) -> list[Trial]:
        """Return the trials to track now, of `total` in all; none when all are finished.

        They are those that an earlier run did not finish, and new ones.
        """
        asked = self._asked()
        unfinished = [
            trial.number
            for trial in asked
            if not trial.state.is_finished() and trial.number < total
        ]
        group = (unfinished[0] if unfinished else len(asked)) // TRIALS_IN_GROUP
        for number in range(len(asked), min(total, (group + 1) * TRIALS_IN_GROUP)):
            self._ask(number)
        return [trial for trial in self.trials() if not trial.is_finished and trial.number < total]

    def add(self, sequence: str, trials: Sequence[Trial], parts: Sequence[Part]) -> None:
        """Keep the scores of some trials of one group on one sequence."""
        for trial, part in zip(trials, parts, strict=True):
            trial.parts[sequence] = part
        group = trials[0].number // TRIALS_IN_GROUP
        first = group * TRIALS_IN_GROUP
        # JSON keys are text.
        by_number = {
            str(number): self.parts[number][sequence]
            for number in range(first, first + TRIALS_IN_GROUP)
            if sequence in self.parts.get(number, ())
        }
        self.study.set_user_attr(f"{SCORES_PREFIX}{group} {sequence}", by_number)

    def judge(self, trial: Trial, complete: bool) -> None:
        """End `trial` when all its sequences are there, or when it falls behind.

        It falls behind when its score is below the median of the trials before it.
        """
        value = score(trial.parts.values())
        if complete:
            self.study.tell(trial.number, value)
            trial.score = value
            return
        asked = self._asked()[trial.number]
        handle = self.optuna.trial.Trial(self.study, asked._trial_id)
        step = len(trial.parts)
        if step not in asked.intermediate_values:
            handle.report(value, step)
        # The default values are never given up: the result is compared with them.
        if trial.number > 0 and handle.should_prune():
            self.study.tell(trial.number, state=self.optuna.trial.TrialState.PRUNED)
            trial.stopped = True

    def _check_description(self, folder: Path, description: dict[str, Any]) -> None:
        """Write the description of a new search; BadInput where the folder holds another one."""
        stored = self.study.user_attrs.get(DESCRIPTION)
        if stored is None:
            self.study.set_user_attr(DESCRIPTION, description)
            return
        if FRAMES not in stored:
            # A study of an earlier version did not keep them; from now on it does.
            stored = {**stored, FRAMES: description.get(FRAMES, {})}
            self.study.set_user_attr(DESCRIPTION, stored)
        changed = changed_videos(stored[FRAMES], description.get(FRAMES, {}))
        if changed:
            raise BadInput(
                f"{folder} holds a search with other frames or boxes of {', '.join(changed[:3])}"
                f"{' and more' if len(changed) > 3 else ''}; its scores are not theirs, give "
                "another --run folder, or delete this one"
            )
        for name in {**stored, **description}:
            if stored.get(name) != description.get(name):
                raise BadInput(
                    f"{folder} holds a search with another {name} ({_short(stored.get(name))} "
                    f"there, {_short(description.get(name))} now); give another --run folder, or "
                    "delete this one"
                )

    def _stored_parts(self) -> dict[int, dict[str, Part]]:
        """Return the scores by trial number and sequence name."""
        parts: dict[int, dict[str, Part]] = {}
        for key, scores in self.study.user_attrs.items():
            if key.startswith(SCORES_PREFIX):
                sequence = key.split(" ", 2)[2]
                for number, (total, weight) in scores.items():
                    parts.setdefault(int(number), {})[sequence] = (total, weight)
        return parts

    def _ask(self, number: int) -> None:
        """Propose the values of the next trial; trial 0 has the default values."""
        if number == 0:
            self.study.enqueue_trial(self.defaults, skip_if_exists=True)
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
            self.study.sampler = self.optuna.samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True
            )
        self.study.ask(self.ranges)

    def _asked(self) -> list[Any]:
        """Return Optuna's records of the trials that were begun, by number."""
        waiting = self.optuna.trial.TrialState.WAITING
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != waiting]

    def _values(self, number: int, params: Mapping[str, float]) -> dict[str, float]:
        if number == 0:
            return self.defaults
        return {name: written(params[name]) for name in self.ranges}

    def _range(self, low: float, high: float) -> Any:
        """Return Optuna's range; whole numbers at both ends give whole numbers."""
        distributions = self.optuna.distributions
        if isinstance(low, int) and isinstance(high, int):
            return distributions.IntDistribution(low, high)
        return distributions.FloatDistribution(low, high)


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise BadInput(f"tune needs the package optuna: {install_command('tune')}") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _short(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, list) else str(value)
