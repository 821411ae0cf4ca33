"""Teaches a network the videos at hand: SPOT on nothing but their few boxes, from its weights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from ltr.admin.settings import Settings
from ltr.frames.fingerprint import changed_videos
from ltr.io.files import write_text
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate.network import TrackingNetwork
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig

# A few short epochs: the network has to fit these videos, not to learn anew.
EPOCHS = 8
ITERATIONS = 20
# Share of the epochs in which only pairs of human boxes are seen.
BURN_IN_SHARE = 0.25
# Frames from one that is explored to the next: there are few epochs to get far.
EXPLORATION_STEP = 4
# How many times faster a recipe from scratch learns than is good for a trained network.
FASTER_FROM_SCRATCH = 10

# A lesson of a later round is one short epoch; its teacher has to move in so few iterations.
LESSON_ITERATIONS = 20
LESSON_KEEP_RATE = 0.95

RUN_FOLDER = "adapt"
FRAMES_FILE = "frames.json"


@dataclass(frozen=True)
class AdaptingJob:
    """The place and the means of a training on own videos."""

    videos: str  # the folder
    out: Path
    device: str
    seed: int = 0
    # Fingerprints of the videos' frames.
    frames: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_folder(self) -> Path:
        """The folder of the runs."""
        return self.out / RUN_FOLDER


def adapt(
    network: TrackingNetwork, given: Sequence[VideoBoxes], job: AdaptingJob, epochs: int = EPOCHS
) -> Path:
    """Train on the videos `given`, and return the file with the tracker's weights.

    An interrupted run of the same boxes, weights and schedule goes on where it was. Progress goes
    to stderr: stdout is for what the verb was asked for.
    """
    job.run_folder.mkdir(parents=True, exist_ok=True)
    labels_path = label_file.write(label_set(given), job.run_folder / "labels.json")
    config = adapting_config(network, job.videos, labels_path, epochs)
    return _train(network, labels_path, config, job)


def lesson(
    network: TrackingNetwork, given: Sequence[VideoBoxes], job: AdaptingJob, number: int
) -> Path:
    """Train one short epoch from the network's weights, and return the file with new weights."""
    job.run_folder.mkdir(parents=True, exist_ok=True)
    labels_path = label_file.write(label_set(given), job.run_folder / f"lesson_{number}.json")
    config = adapting_config(network, job.videos, labels_path, epochs=1).replace(
        burn_in_epochs=0,
        iterations=LESSON_ITERATIONS,
        teacher={"keep_rate": LESSON_KEEP_RATE},
    )
    return _train(network, labels_path, config, job)


def _train(
    network: TrackingNetwork, labels_path: Path, config: SparseConfig, job: AdaptingJob
) -> Path:
    # Another input gets another folder, so that no run goes on with what it did not begin with.
    inputs = hashlib.sha256(labels_path.read_bytes())
    inputs.update(network.path.read_bytes())
    inputs.update(repr((config, job.seed, config.epochs)).encode())
    run_name = _run_of_these_frames(inputs.hexdigest()[:12], job)
    settings = _settings(job, run_name)
    with contextlib.redirect_stdout(sys.stderr):
        trainer = recipe.train(settings, config)
    return trainer.teacher_file(config.epochs)


def _run_of_these_frames(run_name: str, job: AdaptingJob) -> str:
    """Return the name of the run, another one where the run of that name saw other frames.

    A file notes the frames that each run sees. A run of an earlier program has no note and goes on.
    """
    notes_path = job.run_folder / FRAMES_FILE
    notes: dict[str, dict[str, str]] = {}
    # without a note, or with a damaged one, the run goes on
    with contextlib.suppress(OSError, ValueError):
        notes = json.loads(notes_path.read_text(encoding="utf-8"))
    if changed_videos(notes.get(run_name, {}), job.frames):
        frames_digest = hashlib.sha256(repr(sorted(job.frames.items())).encode())
        run_name = f"{run_name}-{frames_digest.hexdigest()[:8]}"
    if run_name not in notes:
        notes[run_name] = dict(job.frames)
        write_text(notes_path, json.dumps(notes, indent=1) + "\n")
    return run_name


def _settings(job: AdaptingJob, run_name: str) -> Settings:
    settings = Settings.from_plain(
        {
            "seed": job.seed,
            "device": job.device,
            "use_gpu": not job.device.startswith("cpu"),
            "overrides": {},
            "description": "SPOT on own videos",
            "project_path": run_name,
        }
    )
    run_folder = job.run_folder
    settings.env = SimpleNamespace(
        workspace_dir=str(run_folder),
        tensorboard_dir=str(run_folder / "tensorboard"),
        pretrained_networks="",
    )
    return settings


def adapting_config(
    network: TrackingNetwork, folder: str | Path, labels_path: Path, epochs: int
) -> SparseConfig:
    """Return the network's recipe with these videos, from its weights, in short epochs.

    The backbone is held still: statistics of a few videos fit no other video.
    """
    published = network.recipe()
    lr = published.optim.lr
    lr_backbone = published.optim.lr_backbone
    if not published.init_from:
        lr = lr / FASTER_FROM_SCRATCH
        lr_backbone = lr_backbone / FASTER_FROM_SCRATCH
    burn_in = max(1, round(epochs * BURN_IN_SHARE))
    return published.replace(
        datasets=(DatasetConfig("VideoFolder", {"root": str(folder)}, labels=str(labels_path)),),
        k=3,
        init_from=str(network.path),
        # Whatever the recipe says: a folder that was begun must go on with the same numbers.
        precision="fp32",
        burn_in_epochs=min(burn_in, epochs),
        epochs=epochs,
        iterations=ITERATIONS,
        batch=16,
        labelled=8,
        unlabelled=8,
        teacher={
            "keep_rate": 0.98,
            "interval": 1,
            "max_repeats": 0,
            "propagating_step": EXPLORATION_STEP,
        },
        optim={
            "lr": lr,
            "lr_backbone": lr_backbone,
            "schedule": "step",
            "decay_epoch": max(1, round(0.75 * epochs)),
            "max_grad_norm": 1.0,
            # After the last epoch, that is never.
            "unfreeze_epoch": epochs + 1,
        },
        num_workers=0,
        frame_cache_mb=512,
        keep_checkpoints=1,
        publish=None,
    )


def label_set(given: Sequence[VideoBoxes]) -> LabelSet:
    """Return the human boxes as labels; a frame without its target teaches nothing here."""
    videos = {}
    for video in given:
        tracks = []
        for item in video.objects:
            shown = item.human & ~item.absent
            if shown.any():
                tracks.append(
                    labelled_track(item.frame_ids[shown].tolist(), item.boxes_xywh[shown])
                )
        if tracks:
            videos[video.video] = VideoLabels(video.video, tuple(tracks))
    return LabelSet("folder", "train", "key_frames", 0, videos=videos)
