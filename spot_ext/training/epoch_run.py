"""The surroundings of an epoch's iterations: batches, time, progress, history, stop and resume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from ltr.admin.stats import AverageMeter
from ltr.parallel.distributed import all_gather, get_rank, get_world_size
from spot_ext.training.actor import PseudoLabels
from spot_ext.training.data.prefetch import prefetch_to_device
from spot_ext.training.data.samples import SparseBatch
from spot_ext.training.data.videos import BURN_IN, SPARSE
from spot_ext.training.iteration import IterationResult
from spot_ext.training.partial_epoch import (
    PartialEpoch,
    generator_states,
    set_generator_states,
)
from spot_ext.training.progress import EpochProgress, Stopwatch, peak_gb, start_peak
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.pseudo_labels.writer import StoreWriter

if TYPE_CHECKING:
    from spot_ext.training.trainer import SparseTrainer

# Shown in the progress line; TensorBoard gets every statistic.
SHOWN = ("Loss/total", "iou_sup", "iou_unsup", "yield")


class EpochRun:
    """An epoch of a trainer, from the first batch, or from where it was stopped, to the last.

    `batches` gives what is to be learned, `record` takes what came of it. `labels_version` is the
    version of the store that samples are drawn from; `found` collects the next one.
    """

    def __init__(self, trainer: SparseTrainer, partial: PartialEpoch | None):
        config = trainer.config
        self.trainer = trainer
        self.number = trainer.epoch
        self.stage = BURN_IN if self.number <= config.burn_in_epochs else SPARSE
        self.triplet_count = config.unlabelled if self.stage == SPARSE else 0
        self.pair_count = config.labelled if self.triplet_count else config.batch
        self.labels_version = trainer.store_epoch(self.number - 1)
        store = PseudoLabelStore.open(trainer.pool.store_folder, self.labels_version)
        self.found = store.writer()
        self.partial = partial
        self.done = partial.iteration if partial else 0
        self.watch = Stopwatch()
        shows_stage = self.triplet_count or self.stage == BURN_IN
        self.progress = EpochProgress(
            self.stage if shows_stage else "labels only",
            self.number,
            config.epochs,
            config.iterations,
            trainer.settings.print_interval,
            done=self.done,
        )

    @property
    def is_complete(self) -> bool:
        """Say whether every iteration is done."""
        return self.done >= self.trainer.config.iterations

    def batches(self) -> Iterator[tuple[int, SparseBatch]]:
        """Yield the number, from 1, and the batch of each iteration, on the device. They end early
        when the run is asked to stop.
        """
        trainer = self.trainer
        trainer.history.start_epoch()
        start_peak(trainer.device)
        # Starting workers draws a random number; workers that live on draw none.
        with torch.random.fork_rng(devices=[]):
            batches = trainer.loader.epoch(
                self.stage,
                self.number,
                self.labels_version,
                self.pair_count,
                self.triplet_count,
                self.done,
            )
        if self.partial is not None:
            self._load_states(self.partial)
        until_stop = self.watch.iterate(trainer.stop.until(batches), "data")
        on_device = prefetch_to_device(until_stop, trainer.device, self.watch)
        yield from enumerate(on_device, self.done + 1)

    def record(self, iteration: int, result: IterationResult) -> None:
        """Keep the pseudo-labels that were found, count the statistics, show progress."""
        # A statistic that is NaN would stay in every average.
        statistics = dict(result.statistics or {})
        statistics["skipped"] = float(result.statistics is None)
        if result.pseudo_labels is not None:
            statistics |= self._record_pseudo_labels(result.pseudo_labels)
        samples = self.pair_count + self.triplet_count
        self.count(statistics, samples)
        self.done = iteration
        self.progress.step(iteration, samples, self._shown(), self.watch)

    def count(self, values: dict[str, float], samples: int) -> None:
        """Add values, means over `samples` samples, to the epoch's statistics."""
        meters = self.trainer.stats["train"]
        for name, value in values.items():
            meters.setdefault(name, AverageMeter()).update(value, samples)

    def count_device(self) -> None:
        """Add time by part and the peak of the GPU's memory to the statistics."""
        self.count({f"Time/{part}": seconds for part, seconds in self.watch.seconds.items()}, 1)
        peak = peak_gb(self.trainer.device)
        if peak is not None:
            self.count({"Memory/gpu_gb": peak}, 1)

    def state(self) -> PartialEpoch:
        """Return what is needed to go on. All processes of a distributed run call it together."""
        trainer = self.trainer
        own_state = {
            "generators": generator_states(trainer.device),
            **trainer.loader.faults.state_dict(),
        }
        return PartialEpoch(
            self.done,
            self.found.state_dict(),
            trainer.history.state_dict()["confidences"],
            self.watch.state_dict(),
            trainer.step.state_dict()["nonfinite"],
            all_gather(own_state),
        )

    def _load_states(self, partial: PartialEpoch) -> None:
        """Restore every component, once the epoch's loader has begun.

        With another number of processes than before, the generators go on as they are; the rest is
        the same.
        """
        trainer = self.trainer
        self.found.load_state_dict(partial.records)
        trainer.history.load_state_dict({"confidences": partial.confidences})
        trainer.step.load_state_dict({"nonfinite": partial.nonfinite})
        self.watch.load_state_dict(partial.seconds)
        states = partial.processes
        if len(states) == get_world_size():
            states = [states[get_rank()]]
            set_generator_states(states[0]["generators"], trainer.device)
        elif get_rank():
            # Process 0 counts for all that there were before.
            states = []
        trainer.loader.faults.load_state_dict(states)

    def _record_pseudo_labels(self, labels: PseudoLabels) -> dict[str, float]:
        record_found(self.found, labels)
        found = ~labels.labelled
        if not bool(found.any()):
            return {}
        self.trainer.history.saw(labels.confidences[found].numpy())
        return {"yield": labels.found_share}

    def _shown(self) -> dict[str, float]:
        trainer = self.trainer
        meters = trainer.stats["train"]
        shown = {name: meters[name].avg for name in SHOWN if name in meters and meters[name].count}
        peak = peak_gb(trainer.device)
        if peak is not None:
            shown["GPU GB"] = peak
        if trainer.loader.faults.count:
            shown["redrawn"] = trainer.loader.faults.count
        return shown


def record_found(writer: StoreWriter, labels: PseudoLabels) -> None:
    """Give the accepted boxes of frames without a label to the store's next version. `labels` are
    on the host.
    """
    rows = labels.accepted & ~labels.labelled
    for track, frame_id, box, confidence in zip(
        labels.tracks[rows].tolist(),
        labels.frame_ids[rows].tolist(),
        labels.boxes_xywh[rows].tolist(),
        labels.confidences[rows].tolist(),
        strict=True,
    ):
        writer.record(track, frame_id, box, confidence)
