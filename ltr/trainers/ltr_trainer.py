"""Trains from batches of loaders, with statistics on the console and in TensorBoard."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.multigpu import sharing_gradients, sharing_norms, unwrapped
from ltr.admin.stats import AverageMeter, StatValue
from ltr.admin.tensorboard import TensorboardWriter
from ltr.admin.tensordict import TensorDict
from ltr.data.faults import DEFAULT_SHARE, NAME, FaultLog, checked_share
from ltr.data.loader import samples_in
from ltr.parallel.distributed import get_world_size, is_main_process, mean_numbers
from ltr.parallel.precision import PRECISIONS, set_tf32
from ltr.parallel.upload import upload
from ltr.trainers.base_trainer import BaseTrainer

log = logging.getLogger(__name__)

_DEFAULTS = {
    "print_interval": 10,
    "print_stats": None,
    "description": "",
    "max_fault_share": DEFAULT_SHARE,
}


class LTRTrainer(BaseTrainer):
    """Runs each loader once an epoch: those with `training` update the weights, the others only
    measure.

    A batch is passed to the actor with the entries `epoch` and `settings` added. Reads from the
    settings: `print_interval` (batches between two lines), `print_stats` (names to print; None:
    all), `description`, `move_data_to_gpu`, `grad_clip_max_norm`, `max_fault_share` (draws of an
    epoch that may meet unusable files, 0.05 = 5 %; more end the training), `precision` (fp32, tf32
    or bf16, see `ltr.parallel.precision`; None: torch's switches stay as they are).
    `freeze_backbone_bn_layers` keeps the batch norms of `actor.net.feature_extractor` in eval mode.

    Of several processes (torchrun) each computes its part of every batch, and `actor.net` is
    wrapped so that gradients become those of the whole; a MultiGPU around it is taken off. The loss
    should be a mean over samples, or follow `ltr.parallel.distributed`; statistics are averaged.
    See docs/distributed.md.
    """

    def __init__(
        self,
        actor,
        loaders,
        optimizer,
        settings,
        lr_scheduler=None,
        freeze_backbone_bn_layers: bool = False,
    ):
        super().__init__(actor, loaders, optimizer, settings, lr_scheduler)
        if get_world_size() > 1:
            self.actor.net = sharing_norms(unwrapped(self.actor.net), self.device)
        for name, value in _DEFAULTS.items():
            if getattr(self.settings, name, None) is None:
                setattr(self.settings, name, value)
        self.settings.max_fault_share = checked_share(self.settings.max_fault_share)
        self._set_precision(getattr(settings, "precision", None))
        self.stats = OrderedDict((loader.name, None) for loader in self.loaders)
        self.move_data_to_gpu = getattr(settings, "move_data_to_gpu", True)
        self.freeze_backbone_bn_layers = freeze_backbone_bn_layers
        self.tensorboard_writer = self._make_writer()

    def _set_precision(self, precision: str | None) -> None:
        """Set this process's TF32 switches; an actor computes its network in bf16 by itself."""
        if precision is None:
            return
        if precision not in PRECISIONS:
            raise BadValue(
                f"settings.precision is {precision!r}; give one of {', '.join(PRECISIONS)}"
            )
        set_tf32(self.device, precision)

    def train_epoch(self) -> None:
        """Run the loaders whose turn it is; then note learning rates and means."""
        for loader in self.loaders:
            if self.epoch % loader.epoch_interval == 0:
                self.cycle_dataset(loader)
        self._close_epoch()
        self._write_tensorboard()

    def cycle_dataset(self, loader) -> None:
        """Go through a loader once."""
        self.actor.train(loader.training)
        if self.freeze_backbone_bn_layers:
            self._hold_batch_norms()
        if loader.training and get_world_size() > 1:
            self.actor.net = sharing_gradients(
                unwrapped(self.actor.net), self.actor.net, some_unused=True
            )
        self._tell_epoch(loader)
        for meter in (self.stats.get(loader.name) or {}).values():
            if isinstance(meter, AverageMeter):
                meter.reset()  # of an attempt at this epoch that failed
        clock, faults, number = _Clock(), _faults_of(loader), 0
        # Starting workers draws a number, those that live on draw none.
        with torch.random.fork_rng(devices=[]):
            batches = iter(loader)
        with torch.set_grad_enabled(loader.training):
            for number, data in enumerate(self.stop.until(batches), 1):
                data = self._prepare(data)
                loss, stats = self.actor(data)
                if loader.training:
                    self._step(loss)
                batch_size = samples_in(data, loader.stack_dim) * get_world_size()
                self._count(loader.name, mean_numbers(stats), batch_size)
                clock.tick(batch_size)
                if number % self.settings.print_interval == 0 or number == len(loader):
                    self._print(loader, number, clock)
        if faults is not None:
            self._tell_faults(loader, faults)
        # Half an epoch of any actor cannot be repeated exactly.
        if self.stop.requested and number < len(loader):
            raise self.terminated(
                f"in epoch {self.epoch}, which is lost: it had {number} of {len(loader)} batches "
                f"of {loader.name}"
            )

    def _tell_faults(self, loader, faults) -> None:
        faults.gather()
        if faults.count and is_main_process():
            log.warning("%s, epoch %d: %s", loader.name, self.epoch, faults.summary())

    def _hold_batch_norms(self) -> None:
        """Keep the statistics of the backbone's batch norms as they are."""
        extractor = cast(nn.Module, unwrapped(self.actor.net).feature_extractor)
        for module in extractor.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def _tell_epoch(self, loader) -> None:
        """Make the loader's draws depend on the run's seed and on the epoch; count its unusable
        files anew.
        """
        if (faults := _faults_of(loader)) is not None:
            faults.share = self.settings.max_fault_share
        if hasattr(loader, "set_epoch"):
            if loader.seed is None:
                loader.seed = getattr(self.settings, "seed", None)
            if loader.seed is None and get_world_size() > 1:
                raise BadValue(
                    "settings.seed is None: processes that share batches need a common seed, give "
                    "one"
                )
            loader.set_epoch(self.epoch)

    def _prepare(self, data: Any) -> Any:
        if self.move_data_to_gpu:
            data = self._on_device(data)
        data["epoch"] = self.epoch
        data["settings"] = self.settings
        return data

    def _on_device(self, data: Any) -> Any:
        """Return a batch on the device; the host does not wait for copies of tensors."""
        if not isinstance(data, Mapping):
            return data.to(self.device)
        tensors = {
            name: upload(value, self.device) if isinstance(value, torch.Tensor) else value
            for name, value in data.items()
        }
        return TensorDict(tensors).to(self.device)

    def _step(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        max_norm = getattr(self.settings, "grad_clip_max_norm", None)
        if max_norm is not None:
            nn.utils.clip_grad_norm_(self.actor.net.parameters(), max_norm)
        self.optimizer.step()

    def _count(self, loader_name: str, values: Mapping[str, float], batch_size: int) -> None:
        if self.stats.get(loader_name) is None:
            self.stats[loader_name] = OrderedDict()
        stats = self.stats[loader_name]
        for name, value in values.items():
            if name not in stats:
                stats[name] = AverageMeter()
            stats[name].update(value, batch_size)

    def _print(self, loader, number: int, clock: _Clock) -> None:
        parts = [
            f"[{loader.name}: {self.epoch}, {number} / {len(loader)}] "
            f"FPS: {clock.mean_rate:.1f} ({clock.rate:.1f})"
        ]
        for name, value in self.stats[loader.name].items():
            shown = self.settings.print_stats is None or name in self.settings.print_stats
            if shown and hasattr(value, "avg"):
                parts.append(f"{name}: {value.avg:.5f}")
        if (faults := _faults_of(loader)) is not None and faults.count:
            parts.append(f"redrawn: {faults.count}")
        print("  ,  ".join(parts), flush=True)

    def _close_epoch(self) -> None:
        for loader in self.loaders:
            stats = self.stats.get(loader.name)
            if stats is None:
                continue
            for value in stats.values():
                if hasattr(value, "new_epoch"):
                    value.new_epoch()
            if self.epoch % loader.epoch_interval:
                continue
            if (faults := _faults_of(loader)) is not None and (faults.count or NAME in stats):
                stats.setdefault(NAME, StatValue()).update(faults.count)
            if loader.training:
                for number, group in enumerate(self.optimizer.param_groups):
                    stats.setdefault(f"LearningRate/group{number}", StatValue()).update(group["lr"])

    def _make_writer(self) -> TensorboardWriter | None:
        folder = getattr(self.settings.env, "tensorboard_dir", None)
        if not folder or not is_main_process():
            return None
        project = os.path.join(os.path.expanduser(folder), self.settings.project_path)
        try:
            return TensorboardWriter(project, [loader.name for loader in self.loaders])
        except BadInput:
            raise
        except OSError as error:
            raise BadInput(
                f"the TensorBoard folder {project} cannot be made ({error.strerror}); correct "
                "tensorboard_dir in ltr/admin/local.py, or set it to None to go without"
            ) from error

    def _write_tensorboard(self) -> None:
        if self.tensorboard_writer is None:
            return
        if self.epoch == 1:
            module, script = (
                getattr(self.settings, name, "") for name in ("module_name", "script_name")
            )
            self.tensorboard_writer.write_info(module, script, self.settings.description)
        self.tensorboard_writer.write_epoch(self.stats, self.epoch)


def _faults_of(loader) -> FaultLog | None:
    """None for loaders that are not ours."""
    return getattr(loader, "faults", None)


class _Clock:
    """Samples per second, over the last interval between ticks and over all."""

    def __init__(self):
        self.start = self.last = time.perf_counter()
        self.samples = 0
        self.rate = self.mean_rate = 0.0

    def tick(self, samples: int) -> None:
        """Count `samples` as done now."""
        now = time.perf_counter()
        self.samples += samples
        self.rate = samples / max(now - self.last, 1e-9)
        self.mean_rate = self.samples / max(now - self.start, 1e-9)
        self.last = now
