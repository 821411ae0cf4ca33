"""The two questions anyone training this way asks first, answered from the run's numbers: is it
collapsing, why is it slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spot_ext.report.run_folder import Curve, Run

RECENT = 3  # epochs that count as now
FEW, HALVED, LOST_IOU = 0.05, 0.5, 0.08


@dataclass(frozen=True)
class Answer:
    """A question, what the run says to it in one word, its kind (good, warn, bad, none), and the
    numbers behind it.
    """

    question: str
    short: str
    kind: str
    text: str


def answers(run: Run) -> list[Answer]:
    """What the page begins with."""
    return [learning(run), collapsing(run), slow(run)]


def learning(run: Run) -> Answer:
    """Whether the supervised IoU has risen, and whether steps were skipped."""
    question = "Does it learn?"
    iou = run.curve("iou_sup") or run.curve("iou")
    if len(iou) < 2:
        return Answer(question, "too early", "none", "There are not two epochs to compare yet.")
    first, now, best = _first(iou), recent(iou), max(iou.values())
    skipped = recent(run.curve("skipped")) or 0.0
    if skipped > 0.02:
        return Answer(
            question,
            "steps are skipped",
            "bad",
            f"{100 * skipped:.0f} % of the last iterations had a loss or "
            "gradient that is not a number: lower the learning rate or set optim.max_grad_norm.",
        )
    text = (
        f"IoU on labelled pairs: {first:.2f} in the first epoch, {now:.2f} now, {best:.2f} at best."
    )
    if now < max(_smoothed(iou)) - LOST_IOU:
        return Answer(question, "it is getting worse", "bad", text)
    if now < first + 0.02:
        return Answer(question, "hardly", "warn", text)
    return Answer(question, "yes", "good", text)


def collapsing(run: Run) -> Answer:
    """Whether pseudo-labels die out, or the student unlearns what labels taught it."""
    question = "Is it collapsing?"
    found = run.curve("yield")
    if not found:
        if run.recipe and not run.recipe.get("unlabelled", 0):
            return Answer(question, "labels only", "none", "This run uses no pseudo-labels.")
        if not run.recipe:
            return Answer(
                question,
                "no teacher",
                "none",
                "This run has no pseudo-labels: it was not trained with SPOT.",
            )
        return Answer(
            question,
            "too early",
            "none",
            f"Pseudo-labels begin after burn-in, in epoch {(run.burn_in or 0) + 1}.",
        )
    now, best = recent(found), max(_smoothed(found))
    agreement = run.curve("iou_unsup")
    text = (
        f"The teacher's boxes are accepted in {100 * now:.0f} % of the frames drawn, at best "
        f"in {100 * best:.0f} %."
    )
    if agreement:
        text += f" The student agrees with them to an IoU of {recent(agreement):.2f}."
    labelled = run.curve("iou_sup")
    at_burn_in = [value for epoch, value in labelled.items() if epoch <= (run.burn_in or 0)][
        -RECENT:
    ]
    if at_burn_in and recent(labelled) < sum(at_burn_in) / len(at_burn_in) - LOST_IOU:
        return Answer(
            question,
            "it unlearns its labels",
            "bad",
            f"{text} IoU on labelled pairs fell from "
            f"{sum(at_burn_in) / len(at_burn_in):.2f} after burn-in to {recent(labelled):.2f}: "
            "raise "
            "teacher.iou_threshold, or set teacher.max_repeats.",
        )
    if now < FEW:
        return Answer(
            question,
            "hardly any label",
            "bad",
            f"{text} Burn in for longer, or lower teacher.iou_threshold.",
        )
    if now < HALVED * best:
        return Answer(
            question, "the yield is falling", "warn", f"{text} Look at the least sure videos below."
        )
    return Answer(question, "no sign of it", "good", text)


def slow(run: Run) -> Answer:
    """Which part of an iteration takes the time."""
    question, parts = "Why is it slow?", time_split(run)
    total = sum(parts.values())
    if not total:
        return Answer(question, "unknown", "none", "The checkpoint holds no times.")
    shares = {name: value / total for name, value in parts.items()}
    text = (
        f"{', '.join(f'{name} {100 * share:.0f} %' for name, share in shares.items() if share >= 0.005)} of "  # noqa: E501
        f"{duration(total)} an epoch, lately."
    )
    if iterations := run.recipe.get("iterations"):
        text += f" That is {1000 * total / iterations:,.0f} ms an iteration."
    if shares.get("data", 0) > 0.35:
        return Answer(
            question,
            "it waits for data",
            "warn",
            f"{text} More num_workers or frame_cache_mb help.",
        )
    return Answer(question, "it computes", "good", f"{text} The data keeps up.")


def time_split(run: Run) -> dict[str, float]:
    """Seconds an epoch in each part, over the last epochs."""
    names = [name for name in run.curves if name.startswith("Time/")]
    return {name.removeprefix("Time/"): recent(run.curve(name)) or 0.0 for name in names}


def total_seconds(run: Run) -> float:
    """Seconds spent in all epochs together."""
    return sum(
        sum(curve.values()) for name, curve in run.curves.items() if name.startswith("Time/")
    )


def recent(curve: Curve) -> float | None:
    """Mean over the last epochs; None without any."""
    values = list(curve.values())[-RECENT:]
    return sum(values) / len(values) if values else None


def duration(seconds: float) -> str:
    """`2 h 5 min`, `13.5 min`, `42 s`, `0.8 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _first(curve: Curve) -> float:
    return next(iter(curve.values()))


def _smoothed(curve: Curve) -> Sequence[float]:
    values = list(curve.values())
    return [
        sum(values[max(0, i - RECENT + 1) : i + 1]) / len(values[max(0, i - RECENT + 1) : i + 1])
        for i in range(min(RECENT, len(values)) - 1, len(values))
    ]
