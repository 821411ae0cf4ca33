"""Teaches a network the videos at hand: SPOT on nothing but their few boxes, from the weights it
has.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from ltr.admin.settings import Settings
from ltr.io.files import atomic_write
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, TargetPath, VideoLabels
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate.network import TrackingNetwork
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig

EPOCHS, ITERATIONS, BURN_IN_SHARE = 8, 20, 0.25
RUN = "adapt"  # folder of the runs
STEP = 4  # frames from what is explored to what is explored next: there are few epochs to get far


def adapt(
    network: TrackingNetwork,
    folder: Path,
    given: Sequence[VideoBoxes],
    out: Path,
    device: str,
    seed: int = 0,
    epochs: int = EPOCHS,
) -> Path:
    """Train on the videos `given` of `folder`; returns the tracker's file, `out/tracker.pth.tar`.

    Goes on where an interrupted run of the same boxes, weights and schedule was. Progress goes to
    stderr. A few epochs at a low rate, with the early layers of the backbone held still: what the
    network knows of other videos must not be lost.
    """
    labels = label_set(given)
    run = out / RUN
    run.mkdir(parents=True, exist_ok=True)
    labels_path = label_file.write(labels, run / "labels.json")
    config = adapting_config(network, folder, labels_path, epochs)
    made_of = (
        labels_path.read_bytes(),
        network.path.read_bytes(),
        repr((config, seed, epochs)).encode(),
    )
    settings = Settings.from_plain(
        {
            "seed": seed,
            "device": device,
            "use_gpu": not device.startswith("cpu"),
            "overrides": {},
            "description": "SPOT on own videos",
            "project_path": hashlib.sha256(b"".join(made_of)).hexdigest()[:12],
        }
    )
    settings.env = SimpleNamespace(
        workspace_dir=str(run), tensorboard_dir=str(run / "tensorboard"), pretrained_networks=""
    )
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for what the verb was asked for
        trainer = recipe.train(settings, config)
    tracker = out / "tracker.pth.tar"
    with atomic_write(tracker) as temporary:
        shutil.copyfile(trainer.teacher_file(epochs), temporary)
    return tracker


def adapting_config(
    network: TrackingNetwork, folder: Path, labels_path: Path, epochs: int
) -> SparseConfig:
    """The network's recipe with these videos, from its weights, in `epochs` short epochs."""
    own = network.recipe()
    rates = (
        {"lr": own.optim.lr, "lr_backbone": own.optim.lr_backbone}
        if own.init_from
        else {"lr": own.optim.lr / 10, "lr_backbone": own.optim.lr_backbone / 10}
    )  # a recipe from scratch learns faster
    burn_in = max(1, round(epochs * BURN_IN_SHARE))
    return own.replace(
        datasets=(DatasetConfig("VideoFolder", {"root": str(folder)}, labels=str(labels_path)),),
        k=3,
        init_from=str(network.path),
        burn_in_epochs=min(burn_in, epochs),
        epochs=epochs,
        iterations=ITERATIONS,
        batch=16,
        labelled=8,
        unlabelled=8,
        teacher={"keep_rate": 0.98, "interval": 1, "max_repeats": 0, "propagating_step": STEP},
        optim={
            **rates,
            "schedule": "step",
            "decay_epoch": max(1, round(0.75 * epochs)),
            "max_grad_norm": 1.0,
            "unfreeze_epoch": epochs + 1,
        },  # the backbone stays as it is: norms of a few videos fit no other
        num_workers=0,
        frame_cache_mb=512,
        keep_checkpoints=1,
        publish=None,
    )


def label_set(given: Sequence[VideoBoxes]) -> LabelSet:
    """The human boxes as labels; frames in which a target is known to be absent teach nothing
    here.
    """
    videos = {}
    for video in given:
        paths = []
        for item in video.objects:
            used = item.human & ~item.absent
            if used.any():
                paths.append(TargetPath(item.frame_ids[used].tolist(), item.boxes_xywh[used]))
        if paths:
            videos[video.video] = VideoLabels(video.video, tuple(paths))
    return LabelSet("folder", "train", "key_frames", 0, videos=videos)
