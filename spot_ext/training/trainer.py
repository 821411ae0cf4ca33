"""Trains with SPOT: burn-in on labels, then teacher and student together. One trainer for every
network.
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.loading import load_state
from ltr.admin.multigpu import sharing_gradients, sharing_norms, unwrapped
from ltr.data import faults
from ltr.data.seeding import torch_generator
from ltr.io.checkpoint import checkpoint_files, write_checkpoint
from ltr.io.files import atomic_write, remove_abandoned
from ltr.parallel import distributed
from ltr.trainers.base_trainer import BaseTrainer
from spot_ext.training import partial_epoch
from spot_ext.training.actor import SparseActor
from spot_ext.training.data.loader import SparseLoader
from spot_ext.training.data.samples import SparseBatch
from spot_ext.training.data.videos import BURN_IN, SPARSE
from spot_ext.training.epoch_run import EpochRun
from spot_ext.training.history import HistoryWriter
from spot_ext.training.iteration import IterationResult, train_iteration
from spot_ext.training.optimization import StudentStep, hold_backbone
from spot_ext.training.partial_epoch import PartialEpoch
from spot_ext.training.progress import Stopwatch
from spot_ext.training.pseudo_labels import PseudoLabelStore

log = logging.getLogger(__name__)


class SparseTrainer(BaseTrainer):
    """Both stages of SPOT.

    After an epoch its pseudo-labels enter the store, and three files that belong together are
    written: the store's version, the teacher (`_t`) and last the student (`_s`), whose presence
    makes the epoch one to resume from. Every random number depends on (seed, epoch, iteration)
    only, so a resumed run equals an uninterrupted one.

    Of several processes each has its part of a batch, all have the same networks and know every
    pseudo-label, and the first writes the files; see docs/distributed.md.
    """

    checkpoint_suffix = "_s"

    def __init__(
        self,
        actor: SparseActor,
        loader: SparseLoader,
        optimizer,
        settings,
        lr_scheduler=None,
        writer=None,
        publish_to: Path | None = None,
    ):
        super().__init__(actor, [], optimizer, settings, lr_scheduler)
        self.config, self.teacher, self.loader = actor.config, actor.teacher, loader
        for net in (actor.net, actor.teacher.net):
            sharing_norms(net, self.device)
        self.pool, self.writer, self.publish_to = loader.pool, writer, publish_to
        self.stats = {"train": {}}
        self.step = StudentStep(actor.net, optimizer, actor.config.optim)
        self.history = HistoryWriter(self.pool.store_folder.parent)
        if distributed.is_main_process():
            # Now, and not when an epoch is done: it would be lost.
            self.history.mend()
        # Of the next epoch, when it was stopped in its midst.
        self.partial_epoch: PartialEpoch | None = None

    def train_epoch(self) -> None:
        """Train one epoch, and merge the pseudo-labels that it found into the store."""
        epoch = self.begin_epoch()
        for iteration, batch in epoch.batches():
            result = self.train_iteration(iteration, batch, epoch.stage, epoch.watch)
            epoch.record(iteration, result)
        if not epoch.is_complete:
            self.put_away(epoch)
        self.end_epoch(epoch)

    def train_iteration(
        self, iteration: int, batch: SparseBatch, stage: str, watch: Stopwatch
    ) -> IterationResult:
        """Move the teacher when it is its turn; then teacher, filter, student, loss and step."""
        if stage == SPARSE and iteration % self.config.teacher.interval == 0:
            with watch("teacher"):
                self.teacher.update(self.actor.net, self.config.teacher.keep_rate)
        generator = torch_generator(self.settings.seed, "augment", self.epoch, iteration)
        return train_iteration(self.actor, self.step, batch, generator, watch)

    def begin_epoch(self) -> EpochRun:
        """Make the networks ready for `self.epoch`. The teacher begins as a copy of the student."""
        epoch = EpochRun(self, self.partial_epoch)
        self.partial_epoch = None
        if self.epoch == self.config.burn_in_epochs + 1 and epoch.partial is None:
            self.teacher.update(self.actor.net, keep=0)
        norms_are_held = not self.config.reference.moving_norms
        hold_backbone(
            self.actor.net,
            self.actor.architecture,
            self.config.optim,
            self.epoch,
            norms_are_held,
        )
        self.actor.train()
        self.actor.student = sharing_gradients(self.actor.net, self.actor.student)
        return epoch

    def end_epoch(self, epoch: EpochRun) -> None:
        """Write the store's next version, the history's line and the log."""
        if epoch.stage == BURN_IN:
            # The teacher's file is then of use from the first epoch on.
            self.teacher.update(self.actor.net, keep=0)
        self.loader.faults.gather()
        require_same_networks(self.actor.net, self.teacher.net)
        if not distributed.is_main_process():
            return
        if epoch.triplet_count:
            commit = epoch.found.commit(self.epoch, self.config.reference.key_guard)
            store = PseudoLabelStore.open(self.pool.store_folder, self.epoch, verify=False)
            counts = {
                "Store/new": commit.new,
                "Store/replaced": commit.replaced,
                "Store/explored": store.explored_share().total,
            }
            epoch.count(counts, 1)
        self._log_epoch(epoch)

    def put_away(self, epoch: EpochRun) -> None:
        """Write down an epoch that the run was asked to stop in, and end the run."""
        epoch.progress.close()
        self._write_partial_epoch(epoch.state())
        raise self.terminated(
            f"in epoch {self.epoch}, after iteration {epoch.done} of {self.config.iterations}"
        )

    def store_epoch(self, epoch: int) -> int:
        """Return which version of the store holds what was known after `epoch`: 0, the labels,
        until pseudo-labels are sought.
        """
        return epoch if self.config.unlabelled and epoch > self.config.burn_in_epochs else 0

    def student_file(self, epoch: int) -> Path:
        """Checkpoint that training resumes from."""
        return self.checkpoint_path(epoch)

    def teacher_file(self, epoch: int) -> Path:
        """Checkpoint that is tracked with."""
        return self._teacher_of(self.checkpoint_path(epoch))

    def _log_epoch(self, epoch: EpochRun) -> None:
        epoch.count_device()
        rates = {
            f"LearningRate/group{number}": group["lr"]
            for number, group in enumerate(self.optimizer.param_groups)
        }
        epoch.count(rates, 1)
        meters = self.stats["train"]
        fault_log = self.loader.faults
        if fault_log.count or faults.NAME in meters:
            epoch.count({faults.NAME: fault_log.count}, 1)
        if fault_log.count:
            log.warning("epoch %d: %s", self.epoch, fault_log.summary())
        versions = (epoch.labels_version, self.epoch) if self.store_epoch(self.epoch) else ()
        stores = [
            PseudoLabelStore.open(self.pool.store_folder, version, verify=False)
            for version in versions
        ]
        means = {name: meter.avg for name, meter in meters.items() if meter.count}
        self.history.write(self.epoch, epoch.stage, means, *stores)
        for meter in meters.values():
            meter.new_epoch()
        if self.writer is not None:
            self.writer.write_epoch(self.stats, self.epoch)

    # Checkpoints: see BaseTrainer

    def save_checkpoint(self) -> None:
        """Write the epoch's files when it is one to keep, drop old ones, and publish the
        teacher.
        """
        if (
            self.epoch % self.config.checkpoint_interval
            and not self.stop.requested
            and self.epoch not in (self.config.burn_in_epochs, self.config.epochs)
        ):
            return
        super().save_checkpoint()
        for path in self._interrupted().values():
            path.unlink(missing_ok=True)
        own_files = self._own_checkpoints()
        kept = {file.epoch for file in own_files[-self.config.keep_checkpoints :]}
        kept |= {file.epoch for file in own_files if file.epoch % self.config.keep_every == 0}
        kept.add(self.config.burn_in_epochs)
        for file in own_files:
            if file.epoch not in kept:
                # The student goes first, so that none is left without its companions.
                file.path.unlink(missing_ok=True)
                self._teacher_of(file.path).unlink(missing_ok=True)
        PseudoLabelStore.open(
            self.pool.store_folder, self.store_epoch(self.epoch), verify=False
        ).keep({0, *(self.store_epoch(epoch) for epoch in kept)})
        if self.publish_to is not None:
            remove_abandoned(self.publish_to.parent, self.publish_to.name, hours=1)
            with atomic_write(self.publish_to) as temporary:
                shutil.copyfile(self.teacher_file(self.epoch), temporary)

    def companions(self, path: Path) -> list[Path]:
        """The teacher of the same epoch."""
        return [self._teacher_of(path)]

    def resumable(self) -> list[Path]:
        """Also epochs that were stopped in their midst, where no later checkpoint is there."""
        places = {
            (file.epoch, math.inf): file.path for file in self._checkpoints()
        } | self._interrupted()
        return [places[place] for place in sorted(places, reverse=True)]

    def read_state(self, path: Path) -> dict:
        """Also the teacher, and whether the store of the same epoch is there and whole."""
        state = super().read_state(path)
        _check_is_of_training(state, path)
        if "begun" not in state:
            state["teacher"] = super().read_state(self._teacher_of(path))["net"]
        PseudoLabelStore.open(self.pool.store_folder, self.store_epoch(state["epoch"]))
        return state

    def write_companions(self, path: Path) -> None:
        """The teacher, in the form of a network to track with; the store's version is already
        there.
        """
        student = self.state_dict_for_checkpoint()
        write_checkpoint(
            self._teacher_of(path),
            {
                **{name: student[name] for name in ("net_type", "net_info", "constructor")},
                "net": self.teacher.net.state_dict(),
            },
        )

    def state_dict_for_checkpoint(self) -> dict:
        """The usual fields, the recipe's values and the seed."""
        return {
            **super().state_dict_for_checkpoint(),
            "recipe": self.config.to_plain(),
            "seed": self.settings.seed,
        }

    def load_state(self, state: dict, path: Path) -> None:
        """Restore student, optimiser and teacher."""
        stored = state.get("seed", self.settings.seed)
        if stored != self.settings.seed:
            raise BadInput(
                f"{path} was trained with seed {stored}, this run has seed {self.settings.seed}; "
                "give the same "
                "seed or move the checkpoints away"
            )
        if isinstance(state.get("recipe"), Mapping):
            changes = changed_settings(state["recipe"], self.config.to_plain())
            if changes:
                log.warning("settings that differ from the checkpoint's: %s", "; ".join(changes))
        own = ("recipe", "seed", "teacher", "begun")
        super().load_state({name: value for name, value in state.items() if name not in own}, path)
        if "teacher" in state:
            load_state(
                self.teacher.net,
                state["teacher"],
                path if "begun" in state else self._teacher_of(path),
            )
        self.partial_epoch = PartialEpoch.from_plain(state["begun"]) if "begun" in state else None
        log.info(
            "going on after epoch %d of %d%s",
            self.epoch,
            self.config.epochs,
            f" and iteration {self.partial_epoch.iteration} of the next"
            if self.partial_epoch
            else "",
        )

    def _write_partial_epoch(self, partial: PartialEpoch) -> None:
        """Write down an unfinished epoch, in place of earlier parts of it."""
        if self._checkpoint_dir is not None and distributed.is_main_process():
            earlier_files = set(self._interrupted().values())
            net_type = type(unwrapped(self.actor.net)).__name__
            name = partial_epoch.file_name(net_type, self.epoch, partial.iteration)
            path = self._folder() / name
            state = {
                **self.state_dict_for_checkpoint(),
                "epoch": self.epoch - 1,
                "begun": partial.to_plain(),
                "teacher": self.teacher.net.state_dict(),
            }
            write_checkpoint(path, state)
            for file in earlier_files - {path}:
                file.unlink(missing_ok=True)
        # The first process to leave has torchrun end the others.
        distributed.barrier()

    def _interrupted(self) -> dict[tuple[int, int], Path]:
        return {} if self._checkpoint_dir is None else partial_epoch.files(self._folder())

    def _teacher_of(self, path: Path) -> Path:
        return path.with_name(path.name.replace(f"{self.checkpoint_suffix}.pth.tar", "_t.pth.tar"))


def _check_is_of_training(state: Mapping[str, Any], path: Path) -> None:
    """Raise BadValue for a file at a checkpoint's place that training cannot go on from."""
    lacking = [name for name in ("epoch", "net", "optimizer") if name not in state]
    if lacking:
        raise BadValue(
            f"{path} is no checkpoint of a training: it has no '{lacking[0]}', as files of a "
            "teacher; copy the right file there"
        )
    if type(state["epoch"]) is not int or state["epoch"] < 0:
        raise BadValue(f"{path} is damaged: its epoch is {state['epoch']!r:.40}; copy it again")
    named = [file.epoch for file in checkpoint_files(path.parent) if file.path == path]
    if named and "begun" not in state and named[0] != state["epoch"]:
        raise BadValue(
            f"{path} holds epoch {state['epoch']}, not the one of its name; give it back its name"
        )


def changed_settings(before: Any, now: Any, name: str = "") -> list[str]:
    """Return `name: before -> now` for each setting of a recipe that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = list(dict.fromkeys([*before, *now]))
        parts = [
            changed_settings(before.get(key), now.get(key), f"{name}.{key}" if name else str(key))
            for key in keys
        ]
        return [text for part in parts for text in part]
    before, now = (list(x) if isinstance(x, tuple) else x for x in (before, now))
    return [] if before == now else [f"{name} {str(before)[:60]} -> {str(now)[:60]}"]


def require_same_networks(*nets: nn.Module) -> None:
    """BadInput when the weights differ between processes, by more than sums of other GPUs may: they
    would train apart.
    """
    for net in nets if distributed.get_world_size() > 1 else ():
        size = sum(value.double().abs().sum() for value in net.state_dict().values())
        mean = distributed.total(size) / distributed.get_world_size()
        apart = abs(size - mean) > 1e-5 * mean
        if distributed.any_of(bool(apart)):
            raise BadInput(
                "the processes no longer have the same weights: give them GPUs of one kind and "
                "the same code, and "
                "start again to go on from the last checkpoint"
            )
