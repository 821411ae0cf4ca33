"""Trains a toy, ends it at chosen moments, trains on, and compares with a run that nothing
disturbed.

`python -m tests.support.killing TREE FOLDER [--seed N] KIND…` prints one JSON line for each KIND. A
process of its own, because every training is a fork of it, which costs no imports and must not
inherit threads.

- burnin, sparse: the kernel ends the process at a random point of the CPU time of that stage, as by
kill -9.
- writing: kill -9 in the middle of a random file's writing, before it is renamed, or right after.
- asked: SIGTERM at a random point; the process is to leave by itself with status 143.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch

from ltr.admin.settings import Settings
from ltr.io.array_file import open_arrays
from ltr.io.checkpoint import read_checkpoint
from spot_ext.training import recipe
from spot_ext.training.config import (
    CropConfig,
    DatasetConfig,
    OptimConfig,
    SparseConfig,
    TeacherConfig,
)

BURN_IN, EPOCHS = 2, 4


def train(tree: Path, workspace: Path, workers: int = 0, **changes) -> None:
    """Two epochs of burn-in, two with the teacher, dropout on; goes on where an earlier run of
    `workspace` was.
    """
    torch.set_num_threads(1)
    network = {
        "hidden_dim": 16,
        "nheads": 2,
        "dim_feedforward": 32,
        "width": 4,
        "template_sz": 32,
        "search_sz": 64,
        "dropout": 0.1,
    }
    config = SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": str(tree)}),),
        architecture="transt_small",
        network=network,
        burn_in_epochs=BURN_IN,
        epochs=EPOCHS,
        iterations=3,
        batch=4,
        labelled=2,
        unlabelled=3,
        num_workers=workers,
        crops=CropConfig(template_size=32, search_size=64),
        teacher=TeacherConfig(interval=2, iou_threshold=0.4),
        optim=OptimConfig(lr=1e-3, lr_backbone=1e-3),
        publish=None,
    ).replace(**changes)
    settings = Settings.from_plain(
        {"seed": 0, "overrides": {}, "project_path": "toy", "device": "cpu", "print_interval": 1}
    )
    settings.env = SimpleNamespace(
        workspace_dir=str(workspace), tensorboard_dir=str(workspace / "tensorboard")
    )
    recipe.train(settings, config)


def differences(one: Path, other: Path) -> list[str]:
    """What two finished runs do not have in common: checkpoints, store, history (without times),
    and files left over.
    """
    one, other = (workspace / "checkpoints" / "toy" for workspace in (one, other))
    names = [
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        for folder in (one, other)
    ]
    found = [f"files: {names[0]} and {names[1]}"] if names[0] != names[1] else []
    for name in sorted(set(names[0]) & set(names[1])):
        if name.endswith(".pth.tar"):
            a, b = (read_checkpoint(folder / name) for folder in (one, other))
            found += [
                f"{name}: {part}"
                for part in ("net", "optimizer", "lr_scheduler")
                if not _same(a.get(part), b.get(part))
            ]
        elif name.startswith("store/") and not _same(
            *(_arrays(folder / name) for folder in (one, other))
        ):
            found.append(name)
        elif name == "history.jsonl" and _history(one / name) != _history(other / name):
            found.append(f"{name}: {_history(one / name)} and {_history(other / name)}")
    return found


def _same(a, b) -> bool:
    if isinstance(a, dict):
        return (
            isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def _arrays(file: Path) -> tuple:
    """What a file of the store holds; the order in its header is not always the same."""
    arrays, info = open_arrays(file, verify=True)
    return {name: array.tolist() for name, array in arrays.items()}, info


def _history(file: Path) -> list[dict]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {
            **line,
            "stats": {
                name: value for name, value in line["stats"].items() if not name.startswith("Time/")
            },
        }
        for line in lines
    ]


def forked(work: Callable[[], None], log: Path) -> int:
    """Run `work` in a fork whose output goes to `log`; its exit status, or minus the signal that
    ended it.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        work()
        sys.stdout.flush()
        os._exit(0)
    except SystemExit as stopped:
        sys.stdout.flush()
        os._exit(stopped.code)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(99)


def _note_times(train: Callable[[], None], notes: Path) -> None:
    """Train, and write down the CPU seconds that burn-in and everything took, and how many files
    were written.
    """
    from spot_ext.training.trainer import SparseTrainer

    replace, save, ends, written = os.replace, SparseTrainer.save_checkpoint, [], []
    begin = time.process_time()
    os.replace = lambda *paths: (written.append(None), replace(*paths))
    SparseTrainer.save_checkpoint = lambda trainer: (
        save(trainer),
        ends.append(time.process_time() - begin),
    )
    train()
    notes.write_text(
        json.dumps({"burnin": ends[BURN_IN - 1], "sparse": ends[-1], "files": len(written)})
    )


def _after(seconds: float, train: Callable[[], None], ask: bool = False) -> None:
    if ask:
        signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(
        signal.ITIMER_PROF, seconds
    )  # without a handler its signal ends the process at once
    train()


def _while_writing(number: int, stage: str, share: float, train: Callable[[], None]) -> None:
    """Die at the `number`th file, with a `share` of its temporary file on the disk where it dies in
    the middle of it.
    """
    replace, count = os.replace, 0

    def at_rename(temporary, path):
        nonlocal count
        count += 1
        if count == number and stage != "after":
            if stage == "middle":
                os.truncate(temporary, int(share * os.path.getsize(temporary)))
            os.kill(os.getpid(), signal.SIGKILL)
        replace(temporary, path)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = at_rename
    train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="+", choices=["burnin", "sparse", "writing", "asked"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, folder, whole = random.Random(options.seed), options.folder, options.folder / "whole"
    folder.mkdir(parents=True)
    from torch.utils.tensorboard import SummaryWriter  # noqa: F401 - in the forks it is there

    status = forked(
        functools.partial(
            _note_times, functools.partial(train, options.tree, whole), folder / "notes"
        ),
        folder / "whole.log",
    )
    if status:
        sys.exit((folder / "whole.log").read_text())
    times = json.loads((folder / "notes").read_text())
    for number, kind in enumerate(options.kinds):
        workspace, log = folder / f"run{number}", folder / f"run{number}.log"
        run = functools.partial(train, options.tree, workspace)
        if kind == "writing":
            how = (
                draw.randint(1, times["files"]),
                draw.choice(["middle", "before", "after"]),
                draw.random(),
            )
            end = functools.partial(_while_writing, *how, run)
        else:
            first = times["burnin"] if kind == "sparse" else 0.0
            how = (draw.uniform(first, 0.97 * times["burnin" if kind == "burnin" else "sparse"]),)
            end = functools.partial(_after, *how, run, ask=kind == "asked")
        first_status = forked(end, log)
        while (
            first_status == 0 and kind != "writing"
        ):  # it took less time than the first one: an earlier moment, then
            shutil.rmtree(workspace)
            how = (0.8 * how[0],)
            first_status = forked(functools.partial(_after, *how, run, ask=kind == "asked"), log)
        second_status = forked(run, log)
        print(
            json.dumps(
                {
                    "kind": kind,
                    "moment": how,
                    "status": first_status,
                    "again": second_status,
                    "differences": differences(whole, workspace)
                    if not second_status
                    else [log.read_text()[-2000:]],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
