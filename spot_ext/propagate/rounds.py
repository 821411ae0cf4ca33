"""Rounds of `label`: the network is taught once, and a little more when boxes were added.

The first round starts from the given network. A later one starts from the weights of the round
before, and takes short lessons as long as new boxes that it holds out are found better. The same
boxes added in the same rounds give the same weights.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ltr.dataset.video_folder import VideoFolder
from ltr.frames.fingerprint import changed_videos
from ltr.io.files import atomic_write, write_text
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate import adapting
from spot_ext.propagate.held_out import (
    DrawnBox,
    HeldOutTest,
    drawn_boxes,
    hold_out,
    without,
)
from spot_ext.propagate.network import TrackingNetwork

log = logging.getLogger(__name__)

ROUNDS_FILE = "rounds.json"
TRACKER_FILE = "tracker.pth.tar"

# A later round takes at most one lesson for so many epochs of the first, so that it costs less than
# a quarter. Shorter lessons, two of them, were no better (docs/own-videos.md).
EPOCHS_PER_LESSON = 8
# A lesson counts as better when the mean IoU of the held-out boxes rises by more than this.
LEAST_GAIN = 0.002


@dataclass(frozen=True)
class Round:
    """A round that is finished, as `rounds.json` and `label.json` hold it."""

    number: int
    started_from: str  # the network's file, or the round before
    epochs: int = 0  # of the first round
    new_boxes: int = 0
    held_out: int = 0  # of the new boxes
    # mean IoU of the held-out boxes: before, and after each lesson
    held_out_iou: list[float] = field(default_factory=list)
    lessons: int = 0  # that were kept


@dataclass(frozen=True)
class Taught:
    """A network that is ready to track these videos."""

    network: TrackingNetwork
    lineage: str  # equal for the rounds of one job
    rounds: list[Round]

    def plain_rounds(self) -> list[dict[str, Any]]:
        """Return the rounds for `label.json`."""
        return [dataclasses.asdict(item) for item in self.rounds]


class Teaching(Protocol):
    """Makes a network ready to track the videos at hand."""

    def teach(
        self,
        network: TrackingNetwork,
        folder: VideoFolder,
        given: Sequence[VideoBoxes],
        fingerprints: Mapping[str, str],
    ) -> Taught:
        """Return the network to track with; `given` are the human boxes.

        `fingerprints` are those of the videos' frames.
        """


class AsItIs:
    """Takes the network as it is (`--no-adapt`)."""

    def teach(
        self,
        network: TrackingNetwork,
        folder: VideoFolder,
        given: Sequence[VideoBoxes],
        fingerprints: Mapping[str, str],
    ) -> Taught:
        """Return the network itself: weights that never change need no rounds."""
        return Taught(network, _digest(network.path.read_bytes()), [])


@dataclass(frozen=True)
class Adaptation:
    """Adapts the network in the folder `out`, round after round."""

    out: Path
    device: str
    seed: int
    epochs: int

    def teach(
        self,
        network: TrackingNetwork,
        folder: VideoFolder,
        given: Sequence[VideoBoxes],
        fingerprints: Mapping[str, str],
    ) -> Taught:
        """Go on from the round before, or begin; a round that is finished is not done again."""
        task = repr((self.epochs, self.seed, str(folder.root))).encode()
        lineage = _digest(network.path.read_bytes(), task)
        boxes = drawn_boxes(given)
        rounds, boxes_before = self._finished_rounds(lineage, fingerprints)
        if not rounds or boxes_before != boxes:
            if rounds:
                new_round = self._next_round(
                    network, folder, given, boxes_before, rounds[-1], fingerprints
                )
            else:
                new_round = self._first_round(network, folder, given, fingerprints)
            rounds = [*rounds, new_round]
            self._write(lineage, rounds, boxes, fingerprints)
        self._publish(rounds[-1])
        return Taught(self._tracker(network, self.out / TRACKER_FILE), lineage, rounds)

    def _first_round(
        self,
        network: TrackingNetwork,
        folder: VideoFolder,
        given: Sequence[VideoBoxes],
        fingerprints: Mapping[str, str],
    ) -> Round:
        """Adapt the given network to the boxes."""
        job = self._job(folder, fingerprints)
        weights = adapting.adapt(network, given, job, self.epochs)
        self._keep_weights(weights, 1)
        return Round(1, str(network.path), epochs=self.epochs)

    def _next_round(
        self,
        network: TrackingNetwork,
        folder: VideoFolder,
        given: Sequence[VideoBoxes],
        boxes_before: Sequence[DrawnBox],
        before: Round,
        fingerprints: Mapping[str, str],
    ) -> Round:
        """Take lessons from the weights of the round before, as long as they help.

        A part of the new boxes is held out from them. Without a box to hold out, the weights stay.
        """
        boxes = drawn_boxes(given)
        held_out = hold_out(boxes, boxes_before)
        test = HeldOutTest(folder, boxes, held_out)
        best = self._weights(before.number)
        lessons = 0
        ious: list[float] = []
        if test.legs:
            job = self._job(folder, fingerprints)
            ious = [test.mean_iou(self._tracker(network, best), self.device)]
            while lessons < max(1, self.epochs // EPOCHS_PER_LESSON):
                taught = adapting.lesson(
                    self._tracker(network, best), without(given, held_out), job, lessons
                )
                ious.append(test.mean_iou(self._tracker(network, taught), self.device))
                if not ious[-1] > ious[lessons] + LEAST_GAIN:
                    break
                best = taught
                lessons += 1
        number = before.number + 1
        self._keep_weights(best, number)
        return Round(
            number,
            f"round {before.number}",
            new_boxes=len(set(boxes) - set(boxes_before)),
            held_out=len(test.legs),
            held_out_iou=[round(iou, 4) for iou in ious],
            lessons=lessons,
        )

    def _job(self, folder: VideoFolder, fingerprints: Mapping[str, str]) -> adapting.AdaptingJob:
        return adapting.AdaptingJob(
            str(folder.root), self.out, self.device, self.seed, dict(fingerprints)
        )

    def _tracker(self, network: TrackingNetwork, weights: Path) -> TrackingNetwork:
        return dataclasses.replace(network, path=weights)

    def _weights(self, number: int) -> Path:
        return self.out / adapting.RUN_FOLDER / f"round_{number:03d}.pth.tar"

    def _keep_weights(self, weights: Path, number: int) -> None:
        """Keep the weights of a round; those before the round that it started from go."""
        _copy(weights, self._weights(number))
        if number > 2:
            self._weights(number - 2).unlink(missing_ok=True)

    def _publish(self, last: Round) -> None:
        """Write the tracker's file, unless it is there."""
        weights = self._weights(last.number)
        tracker = self.out / TRACKER_FILE
        if not tracker.is_file() or tracker.read_bytes() != weights.read_bytes():
            _copy(weights, tracker)

    def _finished_rounds(
        self, lineage: str, fingerprints: Mapping[str, str]
    ) -> tuple[list[Round], list[DrawnBox]]:
        """Return the rounds of this lineage, and the boxes of the last; none where it is new.

        Weights that were taught by frames which are no longer there begin anew.
        """
        path = self.out / adapting.RUN_FOLDER / ROUNDS_FILE
        if not path.is_file():
            return [], []
        content = json.loads(path.read_text(encoding="utf-8"))
        rounds = [Round(**entry) for entry in content["rounds"]]
        if content["lineage"] != lineage or not self._weights(rounds[-1].number).is_file():
            return [], []
        changed = changed_videos(content.get("frames", {}), fingerprints)
        if changed:
            log.info(
                "the files of %d videos (e.g. '%s') have changed; the network is adapted again",
                len(changed),
                changed[0],
            )
            return [], []
        boxes = [
            DrawnBox(video, object_id, frame_id, tuple(box))
            for video, object_id, frame_id, box in content["boxes"]
        ]
        return rounds, boxes

    def _write(
        self,
        lineage: str,
        rounds: Sequence[Round],
        boxes: Sequence[DrawnBox],
        fingerprints: Mapping[str, str],
    ) -> None:
        content = {
            "lineage": lineage,
            "rounds": [dataclasses.asdict(item) for item in rounds],
            "boxes": boxes,
            "frames": dict(fingerprints),
        }
        path = self.out / adapting.RUN_FOLDER / ROUNDS_FILE
        write_text(path, json.dumps(content, indent=1) + "\n")


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as temporary:
        shutil.copyfile(source, temporary)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
