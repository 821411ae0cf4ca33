"""Finds how likely each of two walks is on its target, in every frame of a gap.

Each walk is on the target or off it: it starts on it, loses it rarely and finds it again more
rarely. While it is on the target, its predicted IoU and score are high; where both walks are on it,
their boxes overlap. This makes a hidden Markov model with four states, and messages along the gap
give their exact probabilities. They weigh predicted IoU, agreement and distance to the key frames
in one number, and use that a walk which arrives at the next human box cannot have been lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltr.geometry.array_boxes import paired_iou
from spot_ext.propagate.crossing import Crossing, KeyBox
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.fusion_config import FusionConfig

OFF = 0
ON = 1
# States of the model: the forward walk's and the backward walk's.
STATES = ((OFF, OFF), (OFF, ON), (ON, OFF), (ON, ON))
# Log-odds of what cannot be; finite, so that sums stay finite.
IMPOSSIBLE = -1e4
# The least sum to divide by; products of tiny probabilities may become 0.
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Probabilities (T,) of which walks are on the target; with neither, they sum to 1."""

    both: np.ndarray
    only_forward: np.ndarray
    only_backward: np.ndarray

    @property
    def of_walks(self) -> np.ndarray:
        """(2, T) probability that the forward walk is on the target, and the backward walk."""
        return np.stack([self.both + self.only_forward, self.both + self.only_backward])


def beliefs(crossing: Crossing, agreement: np.ndarray, config: FusionConfig) -> Beliefs:
    """Return how likely each walk is on the target; `agreement` (T,) is the IoU of the walks."""
    # Log-odds of the states; the first and the last row are the key frames themselves.
    odds = np.zeros((crossing.count + 2, len(STATES)))
    both_on = np.nan_to_num(config.agreement_weight * (agreement - config.agreement_middle))
    forward_on = _evidence(crossing.forward, config)
    backward_on = _evidence(crossing.backward, config)
    for state, (forward, backward) in enumerate(STATES):
        odds[1:-1, state] = (
            forward * forward_on + backward * backward_on + forward * backward * both_on
        )
        odds[0, state] = _odds_at_key(crossing.left, forward, backward, config)
        odds[-1, state] = _odds_at_key(crossing.right, backward, forward, config)
    chances = state_probabilities(odds, _transitions(config))[1:-1]
    return Beliefs(
        both=chances[:, STATES.index((ON, ON))],
        only_forward=chances[:, STATES.index((ON, OFF))],
        only_backward=chances[:, STATES.index((OFF, ON))],
    )


def _transitions(config: FusionConfig) -> np.ndarray:
    """Return the (4, 4) probabilities of going from one state to another in one frame.

    The forward walk goes with time, the backward walk against it.
    """
    step = np.array(
        [[1 - config.found_rate, config.found_rate], [config.lost_rate, 1 - config.lost_rate]]
    )
    transitions = np.empty((len(STATES), len(STATES)))
    for row, (forward, backward) in enumerate(STATES):
        for column, (next_forward, next_backward) in enumerate(STATES):
            transitions[row, column] = step[forward, next_forward] * step[next_backward, backward]
    return transitions


def _evidence(walk: Walk, config: FusionConfig) -> np.ndarray:
    """Return the log-odds (T,) of being on the target by what the network said of its own box.

    A walk that is not there is off the target.
    """
    odds = config.iou_weight * (walk.ious - 0.5) + config.score_weight * (walk.scores - 0.5)
    return np.where(np.isfinite(odds), odds, IMPOSSIBLE)


def _odds_at_key(
    key: KeyBox | None, starting_is_on: int, arriving_is_on: int, config: FusionConfig
) -> float:
    """Return the log-odds of a state at a key frame: one walk starts there, the other arrives."""
    if key is None:
        # Nothing starts here, and nothing is known of the walk that ends here.
        return IMPOSSIBLE * starting_is_on
    if not key.is_shown:
        return IMPOSSIBLE * (starting_is_on + arriving_is_on)
    if not starting_is_on:
        return IMPOSSIBLE
    if not arriving_is_on or not np.isfinite(key.arrival_xywh).all():
        return 0.0
    overlap = float(paired_iou(key.arrival_xywh, key.box_xywh))
    return config.arrival_weight * (overlap - config.agreement_middle)


def state_probabilities(odds: np.ndarray, transitions: np.ndarray) -> np.ndarray:
    """Return the probabilities (T, S) of the states of a hidden Markov chain.

    `odds` (T, S) are log-evidence, `transitions` (S, S) weights from a state to the next. This is
    the forward-backward algorithm, with messages that are scaled in every step.
    """
    evidence = np.exp(odds - odds.max(1, keepdims=True))
    from_past = np.empty_like(evidence)
    from_future = np.ones_like(evidence)
    from_past[0] = evidence[0] / evidence[0].sum()
    for t in range(1, len(odds)):
        message = (from_past[t - 1] @ transitions) * evidence[t]
        from_past[t] = message / max(message.sum(), TINY)
    for t in range(len(odds) - 2, -1, -1):
        message = transitions @ (from_future[t + 1] * evidence[t + 1])
        from_future[t] = message / max(message.sum(), TINY)
    joint = from_past * from_future
    return joint / np.maximum(joint.sum(1, keepdims=True), TINY)
