"""The numbers that fusion rests on, and where they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# Log-odds of "the IoU with the object is 0.5 or more", per unit of each feature of `confidence`.
# Fitted to training sequences of GOT-10k's and LaSOT's layouts, with several draws of three key
# frames; `benchmarks/own_videos.py DATA --fit` repeats it, docs/own-videos.md says how good it is.
FITTED_CONFIDENCE: Mapping[str, float] = MappingProxyType(
    {
        "constant": -3.83,
        "one walk or both are on": 0.44,
        "both are on": -0.10,
        "predicted IoU in the frames around": 8.88,
        "error by disagreement": 0.30,
        "logarithm of the distance to a key frame": -0.53,
        "the same where there is one walk only": -0.02,
        "overlap of the walks": 3.32,
        "sides off those of the line, as a logarithm": -4.77,
        "change of the sides between the human boxes, as a logarithm": -2.07,
    }
)


@dataclass(frozen=True)
class FusionConfig:
    """The numbers of fusion. Log-odds are those of being on the target.

    Rates, weights and reaches are set by hand, `confidence` is fitted.
    """

    # Probability per frame that a walk loses its target, and that a lost one finds it again.
    lost_rate: float = 0.02
    found_rate: float = 0.004
    # Log-odds per unit of predicted IoU and of score above 0.5.
    iou_weight: float = 2.5
    score_weight: float = 0.5
    # Log-odds that both walks are on, per unit of IoU between them above the middle.
    agreement_weight: float = 3.0
    agreement_middle: float = 0.45
    # The same for the IoU of an arriving walk with the human box.
    arrival_weight: float = 8.0
    # Standard deviation, in frames, of the filter that takes the jitter off the walks.
    smoothing: float = 1.0
    # Frames over which motion and disagreement are compared; more is steadier and slower.
    noise_reach: float = 8.0
    # Share of the likelier walk's chance from which it is taken where the walks are apart.
    decided_from: float = 0.6
    # Probability that a walk is on the target, below which it counts as absent or lost.
    lost_below: float = 0.15
    confidence: Mapping[str, float] = field(default_factory=lambda: FITTED_CONFIDENCE)

    def plain(self) -> dict[str, object]:
        """Return the values as JSON can hold them."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {**values, "confidence": dict(self.confidence)}

    def stamp(self) -> str:
        """Return a text that differs when any value does.

        Results that earlier versions kept carry this very text, so its form must not change.
        """
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        values["confidence"] = tuple(self.confidence.values())
        listed = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"FusionConfig({listed})"


DEFAULT = FusionConfig()
