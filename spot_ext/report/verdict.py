"""Answer, from a run's numbers, the questions that anyone who trains asks first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spot_ext.report.run_folder import Curve, Run

# Epochs that count as now; one epoch alone is noisy.
RECENT_EPOCHS = 3
# Share of skipped iterations above which the learning rate is too high.
MANY_SKIPPED = 0.02
# Gain of IoU since the first epoch below which a run hardly learns.
SMALL_GAIN = 0.02
# Loss of IoU against the best epochs that is more than noise.
LARGE_LOSS = 0.08
# Share of accepted pseudo-labels below which the student hardly sees any.
LOW_YIELD = 0.05
# Share of the best yield below which the yield is said to fall.
FALLING_YIELD = 0.5
# Share of an iteration spent waiting for data above which the loader is the bottleneck.
WAITING_FOR_DATA = 0.35
# Parts of an iteration below this share are not named.
NAMED_SHARE = 0.005


@dataclass(frozen=True)
class Answer:
    """Hold a question, the answer in a word, its kind (good, warn, bad, none) and its reasons."""

    question: str
    short: str
    kind: str
    text: str


def answers(run: Run) -> list[Answer]:
    """Return the answers that the page begins with."""
    return [learning(run), collapsing(run), slow(run)]


def learning(run: Run) -> Answer:
    """Say if the IoU on labelled pairs has risen, and if iterations were skipped."""
    question = "Does it learn?"
    iou = run.curve("iou_sup") or run.curve("iou")
    if len(iou) < 2:
        return Answer(question, "too early", "none", "There are not two epochs to compare yet.")
    skipped = run.curve("skipped")
    if skipped and recent_mean(skipped) > MANY_SKIPPED:
        text = (
            f"{100 * recent_mean(skipped):.0f} % of the last iterations had a loss or gradient "
            "that is not a number: lower the learning rate or set optim.max_grad_norm."
        )
        return Answer(question, "steps are skipped", "bad", text)

    first = next(iter(iou.values()))
    now = recent_mean(iou)
    best = max(iou.values())
    text = (
        f"IoU on labelled pairs: {first:.2f} in the first epoch, {now:.2f} now, {best:.2f} at best."
    )
    if now < max(_running_means(iou)) - LARGE_LOSS:
        return Answer(question, "it is getting worse", "bad", text)
    if now < first + SMALL_GAIN:
        return Answer(question, "hardly", "warn", text)
    return Answer(question, "yes", "good", text)


def collapsing(run: Run) -> Answer:
    """Say if pseudo-labels die out, or if the student unlearns what the labels taught it."""
    question = "Is it collapsing?"
    accepted = run.curve("yield")
    if not accepted:
        return _without_pseudo_labels(run, question)
    now = recent_mean(accepted)
    best = max(_running_means(accepted))
    text = (
        f"The teacher's boxes are accepted in {100 * now:.0f} % of the frames drawn, at best "
        f"in {100 * best:.0f} %."
    )
    agreement = run.curve("iou_unsup")
    if agreement:
        text += f" The student agrees with them to an IoU of {recent_mean(agreement):.2f}."

    forgotten = _forgotten_labels(run)
    if forgotten:
        return Answer(question, "it unlearns its labels", "bad", f"{text} {forgotten}")
    if now < LOW_YIELD:
        advice = "Burn in for longer, or lower teacher.iou_threshold."
        return Answer(question, "hardly any label", "bad", f"{text} {advice}")
    if now < FALLING_YIELD * best:
        advice = "Look at the least confident videos below."
        return Answer(question, "the yield is falling", "warn", f"{text} {advice}")
    return Answer(question, "no sign of it", "good", text)


def _without_pseudo_labels(run: Run, question: str) -> Answer:
    if not run.recipe:
        text = "This run has no pseudo-labels: it was not trained with SPOT."
        return Answer(question, "no teacher", "none", text)
    if not run.recipe.get("unlabelled", 0):
        return Answer(question, "labels only", "none", "This run uses no pseudo-labels.")
    text = f"Pseudo-labels begin after burn-in, in epoch {(run.burn_in or 0) + 1}."
    return Answer(question, "too early", "none", text)


def _forgotten_labels(run: Run) -> str:
    """Return a sentence when IoU on labelled pairs fell since burn-in, else an empty string."""
    labelled = run.curve("iou_sup")
    last_burn_in = run.burn_in or 0
    burn_in_values = [value for epoch, value in labelled.items() if epoch <= last_burn_in]
    if not burn_in_values:
        return ""
    after_burn_in = _mean(burn_in_values[-RECENT_EPOCHS:])
    now = recent_mean(labelled)
    if now >= after_burn_in - LARGE_LOSS:
        return ""
    return (
        f"IoU on labelled pairs fell from {after_burn_in:.2f} after burn-in to {now:.2f}: "
        "raise teacher.iou_threshold, or set teacher.max_repeats."
    )


def slow(run: Run) -> Answer:
    """Name the parts of an iteration that take the time."""
    question = "Why is it slow?"
    seconds = time_split(run)
    total = sum(seconds.values())
    if not total:
        return Answer(question, "unknown", "none", "The checkpoint holds no times.")
    shares = {name: value / total for name, value in seconds.items()}
    named = [
        f"{name} {100 * share:.0f} %" for name, share in shares.items() if share >= NAMED_SHARE
    ]
    text = f"{', '.join(named)} of {duration(total)} an epoch, lately."
    iterations = run.recipe.get("iterations")
    if iterations:
        text += f" That is {1000 * total / iterations:,.0f} ms an iteration."
    if shares.get("data", 0) > WAITING_FOR_DATA:
        advice = "More num_workers or frame_cache_mb help."
        return Answer(question, "it waits for data", "warn", f"{text} {advice}")
    return Answer(question, "it computes", "good", f"{text} The data keeps up.")


def time_split(run: Run) -> dict[str, float]:
    """Return the seconds an epoch spends in each part of an iteration, over the last epochs."""
    names = [name for name in run.curves if name.startswith("Time/")]
    return {name.removeprefix("Time/"): recent_mean(run.curve(name)) for name in names}


def total_seconds(run: Run) -> float:
    """Return the seconds spent in all epochs together."""
    times = [curve for name, curve in run.curves.items() if name.startswith("Time/")]
    return sum(sum(curve.values()) for curve in times)


def recent_mean(curve: Curve) -> float:
    """Return the mean over the last epochs of a curve that has at least one."""
    return _mean(list(curve.values())[-RECENT_EPOCHS:])


def duration(seconds: float) -> str:
    """Return a time to read: `2 h 5 min`, `13.5 min`, `42 s`, `0.8 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _running_means(curve: Curve) -> list[float]:
    """Return the means over `RECENT_EPOCHS` successive epochs; fewer epochs give one mean."""
    values = list(curve.values())
    first_end = min(RECENT_EPOCHS, len(values))
    return [
        _mean(values[max(0, end - RECENT_EPOCHS) : end])
        for end in range(first_end, len(values) + 1)
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
