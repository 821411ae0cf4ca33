"""The loop over epochs: seeds, checkpoints, resuming, restarts after failures, ends on request.
What an epoch is, a subclass says.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured
from ltr.admin.loading import load_state
from ltr.admin.model_constructor import NetConstructor
from ltr.admin.multigpu import unwrapped
from ltr.data.seeding import generator
from ltr.io import run_lock
from ltr.io.checkpoint import (
    TYPE,
    CheckpointFile,
    checkpoint_files,
    from_plain,
    read_checkpoint,
    to_plain,
    write_checkpoint,
)
from ltr.io.files import DiskFull, is_disk_full
from ltr.parallel import distributed
from ltr.parallel.device import available_device
from ltr.parallel.loader_workers import worker_failure
from ltr.parallel.stop_requests import StopRequest, stop_requests
from ltr.parallel.stopping import Terminated

log = logging.getLogger(__name__)

MAX_FAILURES = 10

# Options of an optimiser's groups that say how a step is computed, not what it gives.
_OWN_CHOICES = ("fused", "foreach", "capturable")
_NO_ATTRIBUTES = ("lr_scheduler", "constructor", "net_type", "actor_type", "net_info")


class BaseTrainer:
    """Trains `actor` epoch by epoch and writes a checkpoint after each.

    What a subclass provides or may change:

    - `train_epoch()`, required: one epoch. `self.epoch` is its number from 1, `self.device` where
    the actor is. The
      global generators have just been seeded by (settings.seed, epoch), so that an epoch depends on
      the state before it only. It takes its batches through `self.stop.until(batches)`; when those
      end early because SIGTERM has come it puts away what can be gone on with, if anything, and
      raises `self.terminated(what happened)`.
    - `checkpoint_suffix`: text after the epoch in the file name, e.g. '_s'.
    - `state_dict_for_checkpoint()` and `load_state(state, path)`: extend both for more state,
    calling super(). What a
      subclass does not handle in `load_state` becomes an attribute of the trainer under its name.
    - `companions(path)` and `write_companions(path)`: files that belong to the checkpoint `path`.
    They are written
      before it and removed after it. `read_state(path)`, which reads the checkpoint, checks them,
      too: where anything is missing or damaged, resuming goes back to the checkpoint before.
    - `resumable()`: the files to resume from, newest first.

    `loaders` is kept for subclasses and not touched here; it may be empty.
    """

    checkpoint_suffix = ""

    def __init__(self, actor, loaders: Iterable, optimizer, settings, lr_scheduler=None):
        self.actor = actor
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.loaders = loaders
        self.epoch = 0
        self.stats: dict = {}
        self.stop = StopRequest()  # of the run that `train` is in
        self.update_settings(settings)
        self.device = choose_device(settings)
        self.actor.to(self.device)

    def update_settings(self, settings=None) -> None:
        """Use `settings` from now on, and make the folder for checkpoints (none when
        env.workspace_dir is None).
        """
        if settings is not None:
            self.settings = settings
        keep = getattr(self.settings, "keep_checkpoints", None)
        if keep is not None and keep < 1:
            raise BadValue(
                f"settings.keep_checkpoints is {keep}; give at least 1, or None to keep all"
            )
        if not hasattr(self.settings.env, "workspace_dir"):
            raise NotConfigured(
                "workspace_dir is not set in ltr/admin/local.py; set it to a folder for checkpoints"
            )
        workspace = self.settings.env.workspace_dir
        self._checkpoint_dir = (
            None if workspace is None else Path(workspace).expanduser() / "checkpoints"
        )
        if self._checkpoint_dir is not None:
            try:
                self._checkpoint_dir.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInput(
                    f"the folder {self._checkpoint_dir} for checkpoints cannot be made "
                    f"({error.strerror}); "
                    "correct workspace_dir in ltr/admin/local.py"
                ) from error

    def train(self, max_epochs: int, load_latest: bool = False, fail_safe: bool = True) -> None:
        """Train up to epoch `max_epochs`, with `load_latest` from the newest checkpoint on.

        With `fail_safe`, a failure leads back to the last checkpoint, up to 10 times in all; then,
        and without it at once, the error is raised. Errors in what the user gave (BadInput) are
        raised at once: they would come again. So is every one in a run of several processes, which
        `torchrun --max-restarts` starts again. Ctrl-C tells which checkpoint there is and raises
        KeyboardInterrupt. SIGTERM ends the run as soon as what can be kept is written, with status
        143; a second one ends it at once. No other run may use the same folder meanwhile.
        """
        alone = (
            contextlib.nullcontext()
            if self._checkpoint_dir is None
            else run_lock.lock_folder(self._folder(), "give this run another settings.project_path")
        )
        with alone, stop_requests() as self.stop:
            self._train(max_epochs, load_latest, fail_safe)
        print("Finished training!")

    def _train(self, max_epochs: int, load_latest: bool, fail_safe: bool) -> None:
        failures, self._resumes = 0, load_latest
        while True:
            try:
                if load_latest:
                    self.load_checkpoint()
                distributed.require_equal(
                    (self.epoch, getattr(self.settings, "seed", 0)),
                    "seed or checkpoint to go on from",
                )
                for epoch in range(self.epoch + 1, max_epochs + 1):
                    self._run_epoch(epoch)
                return
            except KeyboardInterrupt:
                print(f"\nStopped in epoch {self.epoch}. {self._how_to_go_on()}")
                raise
            except Exception as error:
                print(f"Training crashed at epoch {self.epoch}")
                failure = gpu_failure(error) or worker_failure(error)
                if failure is not None:
                    raise BadInput(f"{failure} {self._how_to_go_on()}") from error
                failures += 1
                if is_disk_full(error):
                    path = getattr(error, "path", None) or getattr(error, "filename", None)
                    raise DiskFull(path, f"start again. {self._how_to_go_on()}") from error
                if (
                    not fail_safe
                    or isinstance(error, BadInput)
                    or failures == MAX_FAILURES
                    or distributed.get_world_size() > 1
                ):
                    raise
                traceback.print_exc()
                print("Restarting training from last epoch ...")
                self.epoch = max(self.epoch - 1, 0)
                load_latest = True

    def train_epoch(self) -> None:
        """Train one epoch."""
        raise NotImplementedError

    def _run_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        own = (
            ("process", distributed.get_rank()) if distributed.get_rank() else ()
        )  # else all would drop out the same
        seed_everything(getattr(self.settings, "seed", 0), "epoch", epoch, *own)
        self.train_epoch()
        if self.lr_scheduler is not None:
            self.lr_scheduler.step()
        asked = self.stop.any_process_requested()
        self._save()
        if self.stop.any_process_requested():
            if not asked:
                self._save()  # an epoch that is not one to keep is one now
            raise self.terminated(f"after epoch {epoch}")

    def _save(self) -> None:
        if self._checkpoint_dir is not None and distributed.is_main_process():
            self.save_checkpoint()
        distributed.barrier()

    def terminated(self, when: str) -> Terminated:
        """Say `when` SIGTERM has stopped the training and how to go on; what is to be raised
        then.
        """
        print(f"Stopped by SIGTERM {when}. {self._how_to_go_on()}", flush=True)
        return Terminated()

    # Checkpoints

    def save_checkpoint(self) -> None:
        """Write the checkpoint of `self.epoch`; remove old ones when `settings.keep_checkpoints`
        limits their number.
        """
        path = self.checkpoint_path(self.epoch)
        whole = path.exists()
        try:
            self.write_companions(path)
            write_checkpoint(path, self.state_dict_for_checkpoint())
        except BaseException:
            for file in (
                [] if whole else self.companions(path)
            ):  # of no use without it, and the disk may be full
                file.unlink(missing_ok=True)
            raise
        keep = getattr(self.settings, "keep_checkpoints", None)
        for old in self._own_checkpoints()[:-keep] if keep else []:
            for file in (old.path, *self.companions(old.path)):
                file.unlink(missing_ok=True)

    def load_checkpoint(
        self,
        checkpoint: int | str | os.PathLike | None = None,
        fields: Iterable[str] | None = None,
        ignore_fields: Iterable[str] | None = None,
        load_constructor: bool = False,
    ) -> bool | None:
        """Restore the trainer from a checkpoint: None = the newest readable one, an epoch, a file,
        or a folder.

        `fields` limits what is restored (default: everything but `settings`); `ignore_fields`
        replaces the list of what is not. `load_constructor` also takes the network's constructor
        and info from the file. Returns True, or None when there is no checkpoint yet, which is said
        on stdout.
        """
        path, state = self._newest() if checkpoint is None else self._chosen(checkpoint)
        if path is None:
            print("No matching checkpoint file found")
            return None
        net = unwrapped(self.actor.net)
        if state.get("net_type") != type(net).__name__:
            raise BadValue(
                f"{path} holds the network {state.get('net_type')}, this run trains "
                f"{type(net).__name__}; "
                "move the file away or use the recipe it belongs to"
            )
        ignored = set(["settings"] if ignore_fields is None else ignore_fields)
        wanted = set(state if fields is None else fields) - ignored
        self.load_state({name: value for name, value in state.items() if name in wanted}, path)
        if load_constructor and state.get("constructor") is not None:
            setattr(net, "constructor", NetConstructor(**from_plain(state["constructor"])))  # noqa: B010 - no module
        if state.get("net_info") is not None:
            net.info = state["net_info"]
        return True

    def state_dict_for_checkpoint(self) -> dict[str, Any]:
        """Return what a checkpoint holds; turned into plain values when it is written."""
        net = unwrapped(self.actor.net)
        return {
            "epoch": self.epoch,
            "actor_type": type(self.actor).__name__,
            "net_type": type(net).__name__,
            "net": net.state_dict(),
            "net_info": getattr(net, "info", None),
            "constructor": getattr(net, "constructor", None),
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": _scheduler_state(self.lr_scheduler),
            "stats": self.stats,
            "settings": self.settings,
        }

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        """Restore what `state`, read from `path`, holds. Checkpoints of pytracking lack the
        scheduler's state.
        """
        for name, value in state.items():
            if name == "net":
                load_state(unwrapped(self.actor.net), value, path)
            elif name == "optimizer":
                self._load_optimizer(value, path)
            elif name not in _NO_ATTRIBUTES and not hasattr(type(self), name):
                setattr(self, name, from_plain(value))
        if self.lr_scheduler is not None:
            if state.get("lr_scheduler") is not None:
                self.lr_scheduler.load_state_dict(state["lr_scheduler"])
            elif "epoch" in state:
                self.lr_scheduler.last_epoch = self.epoch

    def read_state(self, path: Path) -> dict[str, Any]:
        """Return what the checkpoint `path` and its companions hold; BadInput when any of them is
        missing or damaged.
        """
        for file in self.companions(path):
            if not file.is_file():
                raise MissingFile(
                    f"{file} is missing, without which {path.name} is of no use; copy it again"
                )
        return read_checkpoint(path, verify=True)

    def companions(self, path: Path) -> list[Path]:
        """Files that belong to the checkpoint `path`."""
        return []

    def write_companions(self, path: Path) -> None:
        """Write the files that belong to the checkpoint `path`, which is written next."""

    def checkpoint_path(self, epoch: int) -> Path:
        """Where the checkpoint of an epoch is."""
        net_type = type(unwrapped(self.actor.net)).__name__
        return self._folder() / f"{net_type}_ep{epoch:04d}{self.checkpoint_suffix}.pth.tar"

    def _folder(self) -> Path:
        if self._checkpoint_dir is None:
            raise BadValue(
                "checkpoints are switched off, as workspace_dir is None in ltr/admin/local.py; "
                "set it"
            )
        if not getattr(self.settings, "project_path", None):
            raise BadValue(
                "settings.project_path is not set, which names the folder for checkpoints; start "
                "the "
                "recipe with ltr/run_training.py, or set it to 'ltr/<module>/<name>'"
            )
        return self._checkpoint_dir / self.settings.project_path

    def _own_checkpoints(self) -> list[CheckpointFile]:
        """Complete checkpoints of this run, oldest first."""
        return [
            file
            for file in self._checkpoints()
            if all(companion.exists() for companion in self.companions(file.path))
        ]

    def _checkpoints(self) -> list[CheckpointFile]:
        if self._checkpoint_dir is None:
            return []
        name = type(unwrapped(self.actor.net)).__name__
        return [
            file
            for file in checkpoint_files(self._folder())
            if file.net_type == name and file.suffix == self.checkpoint_suffix
        ]

    def resumable(self) -> list[Path]:
        """Files that resuming tries, newest first."""
        return [file.path for file in reversed(self._checkpoints())]

    def _newest(self) -> tuple[Path | None, dict[str, Any]]:
        """The newest checkpoint that can be read; a damaged one is reported and the one before it
        taken.
        """
        paths = [] if self._checkpoint_dir is None else self.resumable()
        for path in paths:
            try:
                return path, self.read_state(path)
            except BadInput as error:
                print(f"Going back one checkpoint: {error}")
        if paths:
            raise BadInput(
                f"no checkpoint in {self._folder()} can be read; move them away to start from the "
                "beginning"
            )
        return None, {}

    def _chosen(self, checkpoint: int | str | os.PathLike) -> tuple[Path, dict[str, Any]]:
        if isinstance(checkpoint, bool) or not isinstance(checkpoint, (int, str, os.PathLike)):
            raise TypeError(
                "checkpoint must be None, an epoch number or a path, not "
                f"{type(checkpoint).__name__}"
            )
        path = (
            self.checkpoint_path(checkpoint)
            if isinstance(checkpoint, int)
            else Path(checkpoint).expanduser()
        )
        if path.is_dir():
            found = [
                file.path
                for file in checkpoint_files(path)
                if file.suffix == self.checkpoint_suffix
            ]
            if not found:
                raise MissingFile(
                    f"No checkpoint found in {path}; give the folder of a training run"
                )
            path = found[-1]
        return path, self.read_state(path)

    def _load_optimizer(self, state: dict[str, Any], path: Path) -> None:
        """Restore the optimiser. How a step is computed is this run's choice, not the file's: a run
        may go on on another kind of device.
        """
        own_groups = self.optimizer.param_groups
        groups = [dict(group) for group in state["param_groups"]]
        for group, own_group in zip(groups, own_groups, strict=False):
            group.update({name: own_group[name] for name in _OWN_CHOICES if name in own_group})
        try:
            self.optimizer.load_state_dict({**state, "param_groups": groups})
        except ValueError as error:
            raise BadValue(
                f"the optimizer state in {path} does not fit this run ({error}); the recipe's "
                "parameter "
                "groups have changed: undo that, or move the checkpoints away"
            ) from error

    def _how_to_go_on(self) -> str:
        if self._checkpoint_dir is None or not (done := self.resumable()):
            return "There is no checkpoint yet."
        how = "start the same command again" if self._resumes else "train with load_latest=True"
        return f"The last checkpoint is {done[0]}; {how} to go on from it."


def gpu_failure(error: BaseException) -> str | None:
    """Return a sentence about a GPU that cannot go on, or None for other errors.

    Restarting does not help: the memory is still too small, and after another CUDA error the
    process can use no GPU any more.
    """
    first_line = next(iter(str(error).splitlines()), "")
    if isinstance(error, torch.OutOfMemoryError):
        return (
            f"the GPU has too little memory ({first_line}); lower the batch size, or raise "
            "`accumulate`, or take precision=bf16 in a SPOT recipe."
        )
    if isinstance(error, RuntimeError) and "CUDA error" in str(error):
        return (
            f"the GPU reported an error ({first_line}); start again with CUDA_LAUNCH_BLOCKING=1 to "
            "see which operation it was."
        )
    return None


def choose_device(settings) -> torch.device:
    """`settings.device`, else the first GPU if `settings.use_gpu`; the CPU where there is none,
    which a log line says.
    """
    device = getattr(settings, "device", None)
    if device is None:
        device = "cuda:0" if getattr(settings, "use_gpu", False) else "cpu"
    return available_device(device)


def seed_everything(seed: int | None, *key: int | str) -> None:
    """Start Python's, NumPy's and torch's global generators from (seed, key); None leaves them
    alone.
    """
    if seed is not None:
        draw = generator(seed, *key)
        random.seed(int(draw.integers(2**63)))
        np.random.seed(int(draw.integers(2**32)))
        torch.manual_seed(int(draw.integers(2**63)))


def _scheduler_state(lr_scheduler) -> dict[str, Any] | None:
    """The scheduler's state without what cannot be stored, such as functions: the recipe gives
    those again.
    """
    if lr_scheduler is None:
        return None
    state = to_plain(lr_scheduler.state_dict())
    return {
        name: value
        for name, value in state.items()
        if not (isinstance(value, dict) and TYPE in value)
    }
