"""Finding targets in all videos of a data set, and the result as labels for training."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ltr.admin.errors import BadInput
from spot_ext.boxes.key_frames import display_name, sequence_key
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.discover.linking import Track
from spot_ext.discover.quality import Limits, Target, best_of, judge_pieces

logger = logging.getLogger(__name__)

Finder = Callable[
    [str, Iterable[np.ndarray]], Iterator[Track]
]  # sequence name, its frames -> tracks


@dataclass
class Findings:
    """Hold what was found in each video that was searched."""

    kept: dict[int, list[Target]] = field(default_factory=dict)  # sequence id -> best first
    refused: Counter[str] = field(default_factory=Counter)  # reason -> tracks
    unreadable: list[int] = field(default_factory=list)
    frames: int = 0

    @property
    def num_targets(self) -> int:
        """Targets kept in all videos."""
        return sum(map(len, self.kept.values()))

    def ranked(self) -> list[tuple[int, Target]]:
        """(sequence id, target) of all that are kept, best first."""
        return sorted(
            ((seq_id, target) for seq_id, targets in self.kept.items() for target in targets),
            key=lambda item: -item[1].quality,
        )


def search(
    dataset, seq_ids: Sequence[int], finder: Finder, limits: Limits, on_frame: Callable[[str], None]
) -> Findings:
    """Look for targets in the videos `seq_ids`; frames are read in order, one at a time.

    `on_frame(note)` is called after each. A video that cannot be read is listed and said, the
    others go on.
    """
    findings = Findings()
    for seq_id in seq_ids:
        name = sequence_key(dataset, seq_id)
        judged: list[Target] = []
        size = [0, 0]

        def frames(seq_id=seq_id, size=size) -> Iterator[np.ndarray]:
            for frame_id in range(dataset.get_sequence_length(seq_id)):
                frame = dataset.get_frame(seq_id, frame_id)
                size[:] = frame.shape[1], frame.shape[0]
                findings.frames += 1
                yield frame
                on_frame(f"{findings.num_targets} targets")

        try:
            for track in finder(name, frames()):
                judged += judge_pieces(track, (size[0], size[1]), limits)
        except (BadInput, OSError) as error:
            logger.error("%s is left out: %s", name, error)
            findings.unreadable.append(seq_id)
            continue
        judged = best_of(judged, limits.most_targets)
        findings.refused.update(target.refused for target in judged if target.refused)
        findings.kept[seq_id] = [target for target in judged if not target.refused]
    return findings


def as_labels(dataset, findings: Findings, mode: str, split: str, boxes: int) -> LabelSet:
    """The targets as a label set of `mode` (det or mot) for the sparse stage; videos without one
    are its failures.

    `boxes` is the number of boxes of each target, 0 when it varies.
    """
    videos, failures = {}, []
    for seq_id in sorted([*findings.kept, *findings.unreadable]):
        key, targets = sequence_key(dataset, seq_id), findings.kept.get(seq_id, [])
        if targets:
            videos[key] = VideoLabels(
                key,
                tuple(
                    labelled_track(
                        tuple(target.frame_ids.tolist()),
                        np.round(target.boxes_xywh, 1),
                        round(target.quality, 4),
                    )
                    for target in targets
                ),
            )
        else:
            failures.append(key)
    return LabelSet(
        display_name(dataset),
        split,
        mode,
        boxes,
        None,
        videos,
        tuple(failures),
        {"stage": ["sparse"]},
    )
