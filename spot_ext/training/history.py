"""Write and read the history of a run, `history.jsonl` in the run's folder, one
epoch a line.

Checkpoints hold the means of every statistic, the store what is known now. Neither says how
confident the teacher was in what it rejected, nor in which epoch a frame was explored: this file
does, the latter for a sample of the videos, so that it stays small however many there are (about 2
kB an epoch).
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_write, write_text

log = logging.getLogger(__name__)

FILE = "history.jsonl"
# Frames that a line may name; weeks of video.
MOST_FRAMES = 100_000_000
SHOWN_PATHS = 48  # object paths whose exploration is followed
BINS = 20  # of the histogram of confidences, over 0..1


@dataclass(frozen=True, eq=False)
class Epoch:
    """Hold one epoch: means of its statistics, histogram of the teacher's confidences in frames
    without a label, and which frames of the sampled paths became explored.
    """

    number: int
    stage: str
    stats: Mapping[str, float | None]
    confidences: Sequence[int]  # (BINS,) counts
    explored: Mapping[int, np.ndarray]  # path -> frame ids


def sampled_paths(count: int, shown: int = SHOWN_PATHS) -> list[int]:
    """Return up to `shown` of `count` object paths, evenly spread; the same for the file's writer
    and its readers.
    """
    return (
        np.unique(np.linspace(0, count - 1, min(shown, count)).round().astype(int)).tolist()
        if count
        else []
    )


class HistoryWriter:
    """Collects an epoch's confidences and writes its line. An epoch that is done again replaces its
    line and all after.
    """

    def __init__(self, run_folder: Path):
        self.path = Path(run_folder) / FILE
        self.counts = np.zeros(BINS, dtype=np.int64)  # of the epoch so far

    def mend(self) -> None:
        """Put a damaged file aside and go on with its sound lines: only reports read it."""
        sound, damage = _sound_lines(self.path)
        if damage is None:
            return
        aside = self.path.with_name(f"{self.path.name}.damaged")
        with atomic_write(aside) as temporary:
            shutil.copyfile(self.path, temporary)
        write_text(self.path, "".join(f"{text}\n" for _, text in sound))
        log.warning(
            "%s is damaged (%s): it was put aside as %s, the run goes on with its %d sound lines",
            self.path,
            damage,
            aside.name,
            len(sound),
        )

    def start_epoch(self) -> None:
        """Forget confidences of an epoch that was not finished."""
        self.counts[:] = 0

    def state_dict(self) -> dict[str, list[int]]:
        """Return what was seen in the epoch so far."""
        return {"confidences": self.counts.tolist()}

    def load_state_dict(self, state: Mapping[str, Sequence[int]]) -> None:
        """Go on from what `state_dict` returned."""
        self.counts[:] = state["confidences"]

    def saw(self, confidences: np.ndarray) -> None:
        """Count the teacher's confidences (n,) in frames without a label."""
        bins = np.clip(np.nan_to_num(confidences) * BINS, 0, BINS - 1).astype(np.int64)
        self.counts += np.bincount(bins, minlength=BINS)

    def write(
        self, epoch: int, stage: str, stats: Mapping[str, float], before=None, after=None
    ) -> None:
        """Add the line of `epoch`; `before` and `after` are the store's versions it began and ended
        with, if it has any.
        """
        explored = (
            {}
            if after is None
            else {
                str(path): _as_text(
                    np.setdiff1d(after.track(path).frame_ids, before.track(path).frame_ids)
                )
                for path in sampled_paths(len(after))
            }
        )
        line = {
            "epoch": epoch,
            "stage": stage,
            "stats": {name: _finite(value) for name, value in stats.items()},
            "confidences": self.counts.tolist(),
            "explored": {path: text for path, text in explored.items() if text},
        }
        kept = [text for number, text in _lines(self.path) if number < epoch]
        write_text(self.path, "\n".join([*kept, json.dumps(line)]) + "\n")


def read(run_folder: Path) -> list[Epoch]:
    """The epochs written down so far, in order; none in runs without the file. BadValue for a
    damaged one.
    """
    return [_epoch(json.loads(text)) for _, text in _lines(Path(run_folder) / FILE)]


def _lines(path: Path) -> list[tuple[int, str]]:
    sound, damage = _sound_lines(path)
    if damage is not None:
        raise BadValue(
            f"{path} is damaged ({damage}); start the training again, which puts it aside and goes "
            "on with its sound lines, or remove it"
        )
    return sound


def _sound_lines(path: Path) -> tuple[list[tuple[int, str]], str | None]:
    """Return epoch and text of the lines that can be read, and what is wrong with the first other.

    A power cut may leave zeros or a part of a line at the end.
    """
    if not path.is_file():
        return [], None
    sound: list[tuple[int, str]] = []
    damage = None
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            text = line.decode()
            sound.append((_epoch(json.loads(text)).number, text))
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            damage = damage or f"line {number}: {str(error)[:100]}"
    return sound, damage


def _epoch(line: Mapping[str, Any]) -> Epoch:
    explored = {int(path): _from_text(text) for path, text in line["explored"].items()}
    if type(line["epoch"]) is not int or not isinstance(line["stats"], dict):
        raise ValueError("its epoch is no number, or its statistics have no names")
    return Epoch(line["epoch"], line["stage"], line["stats"], line["confidences"], explored)


def _finite(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _as_text(frame_ids: np.ndarray) -> str:
    """`3-5 9` for the sorted frames 3, 4, 5, 9."""
    runs = np.split(frame_ids, np.flatnonzero(np.diff(frame_ids) > 1) + 1)
    return " ".join(
        f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs if len(run)
    )


def _from_text(text: str) -> np.ndarray:
    ends = [[int(number) for number in part.split("-")] for part in text.split()]
    if sum(end[-1] - end[0] for end in ends) > MOST_FRAMES:
        raise ValueError("more frames than a video has")
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(end[0], end[-1] + 1) for end in ends)]
    )
