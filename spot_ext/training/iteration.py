"""The training iteration of SPOT: teacher, filter, student, loss, step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spot_ext.training.actor import PseudoLabelledBatch, PseudoLabels, SparseActor
from spot_ext.training.data.samples import SparseBatch, TripletBatch, all_gather_batch
from spot_ext.training.optimization import StudentStep
from spot_ext.training.progress import Stopwatch


@dataclass(frozen=True)
class IterationResult:
    """Statistics of an iteration, and the pseudo-labels of all processes on the host."""

    # None when no step was taken: the loss or a gradient was not finite, or nothing was to learn.
    statistics: dict[str, float] | None
    pseudo_labels: PseudoLabels | None  # None without unlabelled frames


def train_iteration(
    actor: SparseActor,
    step: StudentStep,
    batch: SparseBatch,
    generator: torch.Generator,
    watch: Stopwatch,
) -> IterationResult:
    """Let the teacher label, and the student learn from labels and accepted pseudo-labels.

    `generator` draws the augmentation. `watch` gets the seconds of the teacher, the student and
    the optimiser. The host waits for the device twice: for the pseudo-labels, of whose number the
    student's batch is made, and for the statistics before the step.
    """
    pseudo_labelled = None
    if batch.unlabelled is not None:
        with watch("teacher"):
            pseudo_labelled = label_triplets(actor, batch.unlabelled, generator)
    on_host = None if pseudo_labelled is None else pseudo_labelled.on_host
    assert batch.labelled is not None
    with watch("student"):
        step.start()
        inputs = [actor.labelled_input(batch.labelled, generator)]
        batch_size = inputs[0].total_count
        if pseudo_labelled is not None:
            batch_size += len(pseudo_labelled.batch)
            if bool(pseudo_labelled.on_host.accepted.any()):
                inputs.append(actor.unlabelled_input(pseudo_labelled, generator))
            elif actor.config.reference.drop_empty:
                return IterationResult(None, on_host)
        statistics = actor.learn(inputs, batch_size)
    with watch("optimiser"):
        return IterationResult(step.finish(statistics), on_host)


def label_triplets(
    actor: SparseActor, batch: TripletBatch, generator: torch.Generator
) -> PseudoLabelledBatch:
    """Let the teacher label this process's unlabelled frames; return those of all processes."""
    labels = all_gather_batch(actor.pseudo_label(batch, generator))
    everyones = all_gather_batch(batch.without_teachers_crops())
    return PseudoLabelledBatch(everyones, labels, labels.on_host())
