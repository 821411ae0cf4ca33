"""`label`: makes dense boxes of all videos of a folder from a few human ones.

boxes of people ─► adapt the network ─► propagate each video ─► boxes.csv, review.csv, label.json
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.invocation import spot_command
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.fingerprint import Fingerprints
from ltr.frames.wrappers import OneSize
from ltr.io import outputs
from ltr.io.files import require_place, write_text
from ltr.io.progress import CountProgress
from spot_ext.boxes import formats
from spot_ext.boxes.formats.csv_table import FILE_NAME as BOXES_FILE
from spot_ext.boxes.frame_request import write_csv
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate import adapting
from spot_ext.propagate.folder_frames import FolderFrames
from spot_ext.propagate.fuse import Fused
from spot_ext.propagate.fusion_config import DEFAULT
from spot_ext.propagate.network import SHIPPED, open_network
from spot_ext.propagate.propagation import dense, human_only, propagate
from spot_ext.propagate.result_cache import ResultCache
from spot_ext.propagate.review import REVIEW_FILE, frames_to_review
from spot_ext.propagate.rounds import TRACKER_FILE, Adaptation, AsItIs, Taught, Teaching

log = logging.getLogger(__name__)

SETTINGS_FILE = "label.json"
CACHE_FOLDER = "videos"
# Remembers in which state each video was when its fingerprint was taken.
FINGERPRINTS_FILE = "fingerprints.json"


@dataclass(frozen=True)
class LabelJob:
    """The work of `label`."""

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
        """Return the job for `label.json`.

        Its paths are absolute, so that `export` and `report` find the videos from anywhere.
        """
        values = dataclasses.asdict(self)
        for name, value in values.items():
            if isinstance(value, Path):
                values[name] = str(value.expanduser().resolve())
        return values


@dataclass(frozen=True)
class OpenVideo:
    """A video that can be read."""

    frames: FolderFrames
    fingerprint: str


@dataclass(frozen=True)
class LabelledVideo:
    """A video that is done."""

    given: VideoBoxes  # the human boxes
    fused: list[Fused]
    dense: VideoBoxes
    seconds: float | None  # None: an earlier run has done it

    def summary(self) -> dict[str, Any]:
        """Return a line of `label.json`."""
        confidences = [item.confidences.mean() for item in self.fused]
        return {
            "video": self.given.video,
            "frames": len(self.fused[0].confidences),
            "objects": len(self.fused),
            "human_boxes": sum(int((~item.absent).sum()) for item in self.given.objects),
            "confidence": round(float(sum(confidences) / len(confidences)), 4),
            "without_box": sum(int(item.without_box.sum()) for item in self.fused),
            "seconds": None if self.seconds is None else round(self.seconds, 1),
        }


def label(job: LabelJob) -> dict[str, Any]:
    """Do `job` and return the content of `label.json`.

    A video that cannot be read is told in the log and under `failed`; the others are done. Videos
    that are finished with the same boxes, network and program are not done again.
    """
    if job.epochs < 1:
        raise BadValue(f"--epochs {job.epochs}: give at least 1, or --no-adapt")
    folder = VideoFolder(job.folder.expanduser())
    given = _human_boxes(job, folder)
    network = open_network(job.net)
    job.out.mkdir(parents=True, exist_ok=True)
    sources, failed = _open_videos(folder, given, job.out / FINGERPRINTS_FILE)
    readable = [video for video in given if video.video in sources]

    started = time.time()
    fingerprints = {name: source.fingerprint for name, source in sources.items()}
    taught = _teaching(job).teach(network, folder, readable, fingerprints)
    adapted = time.time()
    done, failed_later = _propagate_all(
        sources, readable, taught, job.out / CACHE_FOLDER, job.device
    )
    failed.update(failed_later)
    propagated = time.time()

    to_review = frames_to_review((video.given, video.fused) for video in done)
    formats.write([video.dense for video in done], job.out / BOXES_FILE, "csv")
    write_csv(job.out / REVIEW_FILE, to_review)
    summary = {
        "settings": job.plain(),
        "network": str(taught.network.path),
        "rounds": taught.plain_rounds(),
        "fusion": DEFAULT.plain(),
        "seconds": {
            "adapt": round(adapted - started, 1),
            "propagate": round(propagated - adapted, 1),
        },
        "videos": [video.summary() for video in done],
        "failed": failed,
        "to_review": len(to_review),
    }
    write_text(job.out / SETTINGS_FILE, json.dumps(summary, indent=2) + "\n")
    return summary


def guard_outputs(out: Path) -> None:
    """Let the running command ask before it replaces what lies at the places of its outputs.

    A folder without a list of outputs is of a version that kept none: there `label.json`, which is
    written last, tells which files nobody changed since.
    """
    guard = outputs.current()
    files = [out / name for name in (BOXES_FILE, REVIEW_FILE, SETTINGS_FILE, TRACKER_FILE)]
    for file in files:
        guard.add_output(file)
    settings = out / SETTINGS_FILE
    if settings.is_file() and not (out / outputs.LEDGER).exists():
        finished_at = settings.stat().st_mtime
        guard.adopt(
            *(file for file in files if file.exists() and file.stat().st_mtime <= finished_at)
        )
    for file in files:
        require_place(file)


def _teaching(job: LabelJob) -> Teaching:
    """Return the way in which the network learns these videos before it tracks in them."""
    if job.adapt:
        return Adaptation(job.out, job.device, job.seed, job.epochs)
    return AsItIs()


def _human_boxes(job: LabelJob, folder: VideoFolder) -> list[VideoBoxes]:
    """Return the human boxes of the videos that are there."""
    names = set(folder.sequence_list)
    given = []
    for video in formats.read(job.boxes.expanduser(), job.format, folder):
        drawn = human_only(video)
        if video.video in names and any((~item.absent).any() for item in drawn.objects):
            given.append(drawn)
    if not given:
        raise BadInput(
            f"{job.boxes} holds no box that a person drew on a video of {folder.root}; draw some "
            f"with `{spot_command('annotate', job.folder)}`"
        )
    left_out = len(names) - len(given)
    if left_out:
        log.info("%d of %d videos have no box and are left out", left_out, len(names))
    return given


def _open_videos(
    folder: VideoFolder, given: Sequence[VideoBoxes], memory: Path
) -> tuple[dict[str, OpenVideo], dict[str, str]]:
    """Return the videos that can be read, and by video the errors of the others."""
    seq_ids = {name: seq_id for seq_id, name in enumerate(folder.sequence_list)}
    fingerprints = Fingerprints(memory)
    sources: dict[str, OpenVideo] = {}
    failed: dict[str, str] = {}
    for video in given:
        frames = FolderFrames(folder, seq_ids[video.video])
        try:
            frames.check_readable()
            fingerprint = fingerprints.of(video.video, frames.files())
        except (BadInput, OSError) as error:
            log.error("%s: %s", video.video, error)
            failed[video.video] = str(error)
            continue
        sources[video.video] = OpenVideo(frames, fingerprint)
    fingerprints.save()
    if not sources:
        raise _none_labelled(failed)
    return sources, failed


def _none_labelled(failed: Mapping[str, str]) -> BadInput:
    return BadInput(
        f"none of {len(failed)} videos could be labelled; the first: {next(iter(failed.values()))}"
    )


def _propagate_all(
    sources: Mapping[str, OpenVideo],
    given: Sequence[VideoBoxes],
    taught: Taught,
    cache_folder: Path,
    device: str,
) -> tuple[list[LabelledVideo], dict[str, str]]:
    """Return the videos that could be done, and by video the errors of the others."""
    weights = hashlib.sha256(taught.network.path.read_bytes()).hexdigest()
    make_tracker = taught.network.make_tracker(device)
    done: list[LabelledVideo] = []
    failed: dict[str, str] = {}
    for number, video in enumerate(given, 1):
        source = sources[video.video]
        frames = source.frames
        common = f"{DEFAULT.stamp()} {source.fingerprint}"
        # Rounds of one job go on from each other: gaps without a new box keep their results.
        lineage = f"{taught.lineage} {common}"
        cache = ResultCache.of(
            cache_folder, video, f"{weights} {common}", lineage, source.fingerprint
        )
        title = f"{video.video}, {number} of {len(given)}"
        try:
            _adopt_first_version(cache, cache_folder, video, weights, frames)
            result = _label_video(frames, video, make_tracker, cache, title)
        except (BadInput, OSError) as error:
            log.error("%s: %s", video.video, error)
            failed[video.video] = str(error)
            continue
        done.append(result)
        log.info(
            "%s: %d frames, %d objects, mean confidence %.2f, %s",
            video.video,
            len(frames),
            len(result.fused),
            result.summary()["confidence"],
            "finished before" if result.seconds is None else f"{result.seconds:.0f} s",
        )
    if not done:
        raise _none_labelled(failed)
    return done, failed


def _adopt_first_version(
    cache: ResultCache, cache_folder: Path, video: VideoBoxes, weights: str, frames: FolderFrames
) -> None:
    """Take over the results of an earlier program, which knew the first frame's file alone.

    They are right if no file of the frames was changed after them and their number is the same.
    """
    made_of = f"{weights} {DEFAULT.stamp()} {frames.stamp_of_first_versions()}"
    earlier = ResultCache.of(cache_folder, video, made_of)
    fused = earlier.read()
    if fused is None or len(fused[0].confidences) != len(frames):
        return
    if frames.changed_at() < cache.path.stat().st_mtime:
        cache.write([item.object_id for item in video.objects], fused)


def _label_video(
    frames: FolderFrames, video: VideoBoxes, make_tracker: Any, cache: ResultCache, title: str
) -> LabelledVideo:
    """Propagate one video, or take what an earlier run has found."""
    started = time.time()
    fused = cache.read()
    is_done_before = fused is not None
    if fused is None:
        other_frames = cache.other_frames()
        if other_frames is not None:
            log.info(
                "%s: its files have changed since it was labelled (%s then, %d now); done again",
                video.video,
                other_frames.partition("-")[0],
                len(frames.files()),
            )
        progress = CountProgress(title, "frames", 2 * len(frames))
        try:
            fused = propagate(
                OneSize(frames, video.video),
                video,
                make_tracker,
                lambda: progress.step("both directions"),
                earlier=cache.read_earlier(),
            )
        finally:
            progress.close()
        cache.write([item.object_id for item in video.objects], fused)
    height, width = frames.read(0).shape[:2]
    return LabelledVideo(
        video,
        fused,
        dense(video, fused, frame_count=len(frames), size=(width, height), fps=video.fps),
        None if is_done_before else time.time() - started,
    )
