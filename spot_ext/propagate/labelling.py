"""`label`: a folder of videos and a few boxes in; dense boxes, frames worth a look and a tracker
out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.dataset.video_folder import VideoFolder
from ltr.io.files import write_text
from spot_ext.boxes import formats
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate import adapting
from spot_ext.propagate.fusion import DEFAULT, Fused
from spot_ext.propagate.network import SHIPPED, TrackingNetwork, open_network
from spot_ext.propagate.propagation import ResultCache, dense, human_only, propagate
from spot_ext.propagate.review import BOXES_FILE, REVIEW_FILE, doubts, write_review
from spot_ext.training.progress import CountProgress

log = logging.getLogger(__name__)

SETTINGS_FILE, KEPT_FOLDER = "label.json", "videos"


@dataclass(frozen=True)
class LabelJob:
    """What `label` is to do."""

    folder: Path
    boxes: Path
    out: Path
    format: str | None = None  # of the boxes; None: guessed
    net: str = SHIPPED
    adapt: bool = True
    epochs: int = adapting.EPOCHS  # of the adaptation
    device: str = "cpu"
    seed: int = 0

    def plain(self) -> dict[str, Any]:
        """For `label.json`; with whole paths, so that `export` and `report` find the videos from
        anywhere.
        """
        return {
            name: str(value.expanduser().resolve()) if isinstance(value, Path) else value
            for name, value in dataclasses.asdict(self).items()
        }


def label(job: LabelJob) -> dict[str, Any]:
    """Do `job`; returns what it writes to `label.json`.

    A video that cannot be read is told in the log and under `failed`; the others are done. Videos
    already finished with the same boxes, network and program are not done again.
    """
    if job.epochs < 1:
        raise BadValue(f"--epochs {job.epochs}: give at least 1, or --no-adapt")
    folder = VideoFolder(job.folder.expanduser())
    given = _given(job, folder)
    started, network = time.time(), open_network(job.net)
    job.out.mkdir(parents=True, exist_ok=True)
    if job.adapt:
        tracker = adapting.adapt(
            network, folder.root, given, job.out, job.device, job.seed, job.epochs
        )
        network = dataclasses.replace(network, path=tracker)
    adapted = time.time()
    found, failed, videos = _propagate_all(job, folder, given, network)
    listed = doubts((video, fused) for video, fused, _ in found)
    formats.write([one for _, _, one in found], job.out / BOXES_FILE, "csv")
    write_review(job.out / REVIEW_FILE, listed)
    summary = {
        "settings": job.plain(),
        "network": str(network.path),
        "fusion": dataclasses.asdict(DEFAULT),
        "seconds": {
            "adapt": round(adapted - started, 1),
            "propagate": round(time.time() - adapted, 1),
        },
        "videos": videos,
        "failed": failed,
        "to_review": len(listed),
    }
    write_text(job.out / SETTINGS_FILE, json.dumps(summary, indent=2) + "\n")
    return summary


def _given(job: LabelJob, folder: VideoFolder) -> list[VideoBoxes]:
    """The human boxes of the videos that are there."""
    read = [human_only(video) for video in formats.read(job.boxes.expanduser(), job.format, folder)]
    known = set(folder.sequence_list)
    given = [
        video
        for video in read
        if video.video in known and any((~item.absent).any() for item in video.objects)
    ]
    if not given:
        raise BadInput(
            f"{job.boxes} holds no box that a person drew on a video of {folder.root}; draw some "
            "with "
            "`python -m spot_ext annotate`"
        )
    left = len(known) - len(given)
    if left:
        log.info("%d of %d videos have no box and are left out", left, len(known))
    return given


def _propagate_all(
    job: LabelJob, folder: VideoFolder, given: list[VideoBoxes], network: TrackingNetwork
):
    """Video, what was found and its dense boxes for each that could be done; the others' errors; a
    line about each.
    """
    ids = {name: seq_id for seq_id, name in enumerate(folder.sequence_list)}
    made_of = f"{hashlib.sha256(network.path.read_bytes()).hexdigest()} {DEFAULT}"
    make_tracker = network.make_tracker(job.device)
    found: list[tuple[VideoBoxes, list[Fused], VideoBoxes]] = []
    failed, videos = {}, []
    for number, video in enumerate(given, 1):
        start = time.time()
        frames = FolderFrames(folder, ids[video.video])
        kept = ResultCache.of(job.out / KEPT_FOLDER, video, f"{made_of} {frames.stamp()}")
        fused = kept.read()
        try:
            done_before = fused is not None
            if fused is None:
                progress = CountProgress(
                    f"{video.video}, {number} of {len(given)}", "frames", 2 * len(frames)
                )
                try:
                    fused = propagate(
                        frames,
                        video,
                        make_tracker,
                        lambda shown=progress: shown.step("both directions"),
                    )
                finally:
                    progress.close()
                kept.write(fused)
            height, width = frames.read(0).shape[:2]
        except (BadInput, OSError) as error:
            log.error("%s: %s", video.video, error)
            failed[video.video] = str(error)
            continue
        found.append(
            (
                video,
                fused,
                dense(video, fused, frame_count=len(frames), size=(width, height), fps=video.fps),
            )
        )
        videos.append(_line(video, fused, None if done_before else time.time() - start))
        log.info(
            "%s: %d frames, %d objects, mean confidence %.2f%s",
            video.video,
            len(frames),
            len(fused),
            videos[-1]["confidence"],
            ", finished before" if done_before else f", {videos[-1]['seconds']:.0f} s",
        )
    if not found:
        raise BadInput(
            f"none of {len(given)} videos could be labelled; the first: "
            f"{next(iter(failed.values()))}"
        )
    return found, failed, videos


def _line(video: VideoBoxes, fused: list[Fused], seconds: float | None) -> dict[str, Any]:
    frames = len(fused[0].confidences)
    return {
        "video": video.video,
        "frames": frames,
        "objects": len(fused),
        "human_boxes": sum(int((~item.absent).sum()) for item in video.objects),
        "confidence": round(float(sum(one.confidences.mean() for one in fused) / len(fused)), 4),
        "without_box": sum(int(_lost(one).sum()) for one in fused),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def _lost(one: Fused):
    return (one.boxes_xywh != one.boxes_xywh).any(1)


class FolderFrames:
    """The frames of one video of a folder."""

    def __init__(self, folder: VideoFolder, seq_id: int):
        self.folder, self.seq_id = folder, seq_id

    def __len__(self) -> int:
        return self.folder.get_sequence_length(self.seq_id)

    def read(self, frame_id: int):
        return self.folder.get_frame(self.seq_id, frame_id)

    def stamp(self) -> str:
        """Changes when the video is replaced."""
        try:
            first = self.folder.frame_path(self.seq_id, 0)
            return f"{first} {first.stat().st_size} {first.stat().st_mtime_ns}"
        except (MissingFile, OSError):
            return ""
