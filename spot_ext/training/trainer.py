"""Trains with SPOT: burn-in on labels, then teacher and student together. One trainer for every
network.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import shutil
from pathlib import Path

import torch
from torch import nn

from ltr.admin.errors import BadInput
from ltr.admin.loading import load_state
from ltr.admin.multigpu import sharing_gradients, sharing_norms, unwrapped
from ltr.admin.stats import AverageMeter
from ltr.data import faults
from ltr.data.seeding import torch_generator
from ltr.io.checkpoint import write_checkpoint
from ltr.io.files import atomic_write, remove_abandoned
from ltr.parallel import distributed
from ltr.trainers.base_trainer import BaseTrainer
from spot_ext.report.history import HistoryWriter
from spot_ext.training import partial_epoch
from spot_ext.training.actor import PseudoLabels, SparseActor
from spot_ext.training.data.loader import SparseLoader
from spot_ext.training.data.prefetch import prefetch_to_device
from spot_ext.training.data.samples import TripletBatch, all_gather_batch
from spot_ext.training.data.videos import BURN_IN, SPARSE
from spot_ext.training.optimization import StudentStep, hold_backbone
from spot_ext.training.progress import EpochProgress, Stopwatch, peak_gb, start_peak
from spot_ext.training.pseudo_labels import PseudoLabelStore

log = logging.getLogger(__name__)

SHOWN = (
    "Loss/total",
    "iou_sup",
    "iou_unsup",
    "yield",
)  # in the progress line; TensorBoard gets every statistic


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
        self.begun: partial_epoch.PartialEpoch | None = (
            None  # of the next epoch, when it was stopped in its midst
        )

    def train_epoch(self) -> None:
        """One epoch: load, teacher, filter, student, loss, step, log; then merge the
        pseudo-labels.
        """
        config, epoch = self.config, self.epoch
        stage = BURN_IN if epoch <= config.burn_in_epochs else SPARSE
        triplets = config.unlabelled if stage == SPARSE else 0
        pairs = config.labelled if triplets else config.batch
        known = self.store_epoch(epoch - 1)
        found = PseudoLabelStore.open(self.pool.store_folder, known).writer()
        begun, self.begun = self.begun, None
        done = begun.iteration if begun else 0
        shown_as = stage if triplets or stage == BURN_IN else "labels only"
        watch, progress = (
            Stopwatch(),
            EpochProgress(
                shown_as,
                epoch,
                config.epochs,
                config.iterations,
                self.settings.print_interval,
                done=done,
            ),
        )
        if epoch == config.burn_in_epochs + 1 and not begun:
            self.teacher.update(self.actor.net, keep=0)
        hold_backbone(
            self.actor.net,
            self.actor.architecture,
            config.optim,
            epoch,
            not config.reference.moving_norms,
        )
        self.actor.train()
        self.actor.student = sharing_gradients(self.actor.net, self.actor.student)
        self.history.start_epoch()
        start_peak(self.device)

        with torch.random.fork_rng(
            devices=[]
        ):  # starting workers draws a number; those that live on draw none
            batches = self.loader.epoch(stage, epoch, known, pairs, triplets, done)
        if begun:
            begun.restore(self, found, watch)
        batches = prefetch_to_device(
            watch.iterate(self.stop.until(batches), "data"), self.device, watch
        )
        for iteration, batch in enumerate(batches, done + 1):
            generator = torch_generator(self.settings.seed, "augment", epoch, iteration)
            pseudo = None
            with watch("teacher"):
                if stage == SPARSE and iteration % config.teacher.interval == 0:
                    self.teacher.update(self.actor.net, config.teacher.keep_rate)
                if batch.unlabelled is not None:
                    pseudo = all_gather_batch(self.actor.pseudo_label(batch.unlabelled, generator))
                    batch = dataclasses.replace(
                        batch,
                        unlabelled=all_gather_batch(batch.unlabelled.without_teachers_crops()),
                    )
                    _record(found, batch.unlabelled, pseudo)
            with watch("student"):
                self.step.start()
                loss, values = self.actor(batch, pseudo, generator, self.step.learn)
            with watch("optimiser"):
                stepped = loss is not None and self.step.finish(values["Loss/total"])
                values = {
                    **(values if stepped else {}),
                    "skipped": float(not stepped),
                }  # NaN would stay in every average
            if pseudo is not None and not pseudo.labelled.all():
                values["yield"] = pseudo.found_share
                self.history.saw(pseudo.confidences[~pseudo.labelled].cpu().numpy())
            self._count(values, pairs + triplets)
            progress.step(iteration, pairs + triplets, self._shown(), watch)
            done = iteration

        if self.stop.requested and done < config.iterations:
            progress.close()
            self._put_away(partial_epoch.PartialEpoch.of(self, done, found, watch))
            raise self.terminated(
                f"in epoch {epoch}, after iteration {done} of {config.iterations}"
            )
        if stage == BURN_IN:
            self.teacher.update(
                self.actor.net, keep=0
            )  # its file is then of use from the first epoch on
        self.loader.faults.gather()
        require_same_networks(self.actor.net, self.teacher.net)
        if distributed.is_main_process():
            if triplets:
                self._count_commit(found.commit(epoch, config.reference.key_guard))
            self._log_epoch(watch, stage, known)

    def store_epoch(self, epoch: int) -> int:
        """Which version of the store holds what was known after `epoch`: 0, the labels, until
        pseudo-labels are sought.
        """
        return epoch if self.config.unlabelled and epoch > self.config.burn_in_epochs else 0

    def student_file(self, epoch: int) -> Path:
        """Checkpoint that training resumes from."""
        return self.checkpoint_path(epoch)

    def teacher_file(self, epoch: int) -> Path:
        """Checkpoint that is tracked with."""
        return self._teacher_of(self.checkpoint_path(epoch))

    # Statistics

    def _count(self, values: dict[str, float], samples: int) -> None:
        for name, value in values.items():
            self.stats["train"].setdefault(name, AverageMeter()).update(value, samples)

    def _shown(self) -> dict[str, float]:
        meters = self.stats["train"]
        shown = {name: meters[name].avg for name in SHOWN if name in meters and meters[name].count}
        if (peak := peak_gb(self.device)) is not None:
            shown["GPU GB"] = peak
        return {**shown, "redrawn": self.loader.faults.count} if self.loader.faults.count else shown

    def _count_commit(self, commit) -> None:
        share = (
            PseudoLabelStore.open(self.pool.store_folder, self.epoch, verify=False)
            .explored_share()
            .total
        )
        self._count(
            {"Store/new": commit.new, "Store/replaced": commit.replaced, "Store/explored": share}, 1
        )

    def _log_epoch(self, watch: Stopwatch, stage: str, known: int) -> None:
        self._count({f"Time/{part}": seconds for part, seconds in watch.seconds.items()}, 1)
        if (peak := peak_gb(self.device)) is not None:
            self._count({"Memory/gpu_gb": peak}, 1)
        self._count(
            {
                f"LearningRate/group{i}": group["lr"]
                for i, group in enumerate(self.optimizer.param_groups)
            },
            1,
        )
        if self.loader.faults.count or faults.NAME in self.stats["train"]:
            self._count({faults.NAME: self.loader.faults.count}, 1)
        if self.loader.faults.count:
            log.warning("epoch %d: %s", self.epoch, self.loader.faults.summary())
        versions = (
            [
                PseudoLabelStore.open(self.pool.store_folder, version, verify=False)
                for version in (known, self.epoch)
            ]
            if self.store_epoch(self.epoch)
            else []
        )
        self.history.write(
            self.epoch,
            stage,
            {name: meter.avg for name, meter in self.stats["train"].items() if meter.count},
            *versions,
        )
        for meter in self.stats["train"].values():
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
        for file in self._interrupted().values():
            file.unlink(missing_ok=True)
        own = self._own_checkpoints()
        kept = {file.epoch for file in own[-self.config.keep_checkpoints :]}
        kept |= {file.epoch for file in own if file.epoch % self.config.keep_every == 0}
        kept.add(self.config.burn_in_epochs)
        for file in own:
            if file.epoch not in kept:
                file.path.unlink(
                    missing_ok=True
                )  # first, so that no student is left without its companions
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
        own = ("recipe", "seed", "teacher", "begun")
        super().load_state({name: value for name, value in state.items() if name not in own}, path)
        if "teacher" in state:
            load_state(
                self.teacher.net,
                state["teacher"],
                path if "begun" in state else self._teacher_of(path),
            )
        self.begun = (
            partial_epoch.PartialEpoch.from_plain(state["begun"]) if "begun" in state else None
        )
        log.info(
            "going on after epoch %d of %d%s",
            self.epoch,
            self.config.epochs,
            f" and iteration {self.begun.iteration} of the next" if self.begun else "",
        )

    def _put_away(self, begun: partial_epoch.PartialEpoch) -> None:
        """Write down an unfinished epoch, in place of earlier parts of it."""
        if self._checkpoint_dir is not None and distributed.is_main_process():
            old = self._interrupted().values()
            net_type = type(unwrapped(self.actor.net)).__name__
            path = self._folder() / partial_epoch.file_name(net_type, self.epoch, begun.iteration)
            write_checkpoint(
                path,
                {
                    **self.state_dict_for_checkpoint(),
                    "epoch": self.epoch - 1,
                    "begun": vars(begun),
                    "teacher": self.teacher.net.state_dict(),
                },
            )
            for file in set(old) - {path}:
                file.unlink(missing_ok=True)
        distributed.barrier()  # the first to leave has torchrun end the others

    def _interrupted(self) -> dict[tuple[int, int], Path]:
        return {} if self._checkpoint_dir is None else partial_epoch.files(self._folder())

    def _teacher_of(self, path: Path) -> Path:
        return path.with_name(path.name.replace(f"{self.checkpoint_suffix}.pth.tar", "_t.pth.tar"))


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


def _record(found, batch: TripletBatch, pseudo: PseudoLabels) -> None:
    rows = (pseudo.accepted & ~pseudo.labelled).cpu()  # CPU-GPU sync point
    for path, frame_id, box, confidence in zip(
        batch.paths.cpu()[rows].tolist(),
        batch.frame_ids.cpu()[rows].tolist(),
        pseudo.boxes_xywh.cpu()[rows].tolist(),
        pseudo.confidences.cpu()[rows].tolist(),
        strict=True,
    ):
        found.record(path, frame_id, box, confidence)
