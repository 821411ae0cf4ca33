"""LaSOT's layout on disk: `<class>/<class>-<number>/`, with `img/%08d.jpg`. Readers and writers of
such trees use these names.
"""

from __future__ import annotations

from pathlib import Path

IMAGES = "img"
BOXES = "groundtruth.txt"
# one line with a 0 or 1 for each frame
OCCLUDED = "full_occlusion.txt"
OUT_OF_VIEW = "out_of_view.txt"
TRAINING_LIST = "training_set.txt"
TESTING_LIST = "testing_set.txt"
# pytracking's list of the sequences to train on, in `data_specs_dir`
TRAINING_SPEC = "lasot_train_split.txt"
# Without lists the numbers that this divides are for testing: 4 of a class's 20, as in the official
# split.
HELD_OUT_EVERY = 5


def class_of(sequence: str) -> str:
    """Return `car` of `car-12`; empty where there is no number."""
    return sequence.rpartition("-")[0]


def number_of(sequence: str) -> int:
    """Return 12 of `car-12`; 0 where there is no number."""
    number = sequence.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def sort_key(sequence: str) -> tuple[str, int]:
    """Order by class, then by number: `car-9` comes before `car-12`."""
    return class_of(sequence), number_of(sequence)


def is_held_out(sequence: str) -> bool:
    """Say whether the rule without lists leaves a sequence for testing."""
    number = number_of(sequence)
    return number != 0 and number % HELD_OUT_EVERY == 0


def sequence_folder(root: Path, sequence: str) -> Path:
    """Return the folder of a sequence."""
    return root / class_of(sequence) / sequence


def frame_name(frame_id: int) -> str:
    """Return the file name of a frame, counted from 0."""
    return f"{frame_id + 1:08d}.jpg"
