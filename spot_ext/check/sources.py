"""The sequences of a data set, found by name through the same classes that training and evaluation
use.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.environment import ensure_local_file
from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.dataset.registry import evaluation_sets, import_all, plain_name, training_sets
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.names import PACKED_SUFFIXES, has_suffix
from ltr.frames.opening import find_packed
from ltr.frames.shared import shared_source
from ltr.geometry.checks import is_box
from ltr.io import plugins
from pytracking.evaluation import environment
from pytracking.evaluation.datasets import open_dataset
from spot_ext.check.sequences import ANNOTATION, UNREADABLE, Finding, SequenceFiles

log = logging.getLogger(__name__)

_SPLITS = ("train", "val", "test")
# Evaluation data sets that mark frames without a visible target by a box of NaN, zeros or -1.
_BOX_OPTIONAL = {"uav", "oxuva", "folder", "tpl", "avist", "lasot_extension_subset"}


@dataclass(frozen=True)
class Part:
    """A reading of a data set: training videos or a test set. Iterating loads the annotation, one
    sequence a step.
    """

    title: str
    names: Sequence[str]
    dataset: Any

    def __iter__(self) -> Iterator[SequenceFiles | Finding]:
        read = (
            _training_sequence
            if hasattr(self.dataset, "get_sequence_info")
            else _training_image
            if hasattr(self.dataset, "get_image_info")
            else _evaluation_sequence
        )
        entries = self.dataset if read is _evaluation_sequence else range(len(self.names))
        for name, entry in zip(self.names, entries, strict=True):
            try:
                yield read(self.dataset, name, entry)
            except (
                BadInput,
                OSError,
                ValueError,
                KeyError,
                IndexError,
            ) as error:  # what readers make of broken files
                finding = Finding(ANNOTATION, name)
                finding.add(
                    str(error)
                    if isinstance(error, BadInput)
                    else f"{type(error).__name__}: {error}"
                )
                yield finding


def dataset_names() -> list[str]:
    """Return the names of data sets that `check` knows, sorted."""
    import_all("ltr.dataset")
    plugins.run_dataset_registrations()
    return sorted({*training_sets, *evaluation_sets})


def is_dataset_name(name: str) -> bool:
    """Say whether a name is that of a data set, of its training or of its test videos."""
    import_all("ltr.dataset")
    plugins.run_dataset_registrations()
    lower = name.lower()
    tests = (lower, *(f"{lower}_{split}" for split in _SPLITS))
    return plain_name(name) in training_sets or any(test in evaluation_sets for test in tests)


def open_parts(name: str, root: Path | None = None) -> list[Part]:
    """All readings of the data set `name` that are there, at `root` or where local.py says.

    `got10k` is the training videos and the test sets `got10k_val` and `got10k_test`, `got10k_val`
    that one only. `root` is what local.py would hold, or the folder of the one split below it.
    Raises BadInput when the name is unknown or nothing is there.
    """
    import_all("ltr.dataset")
    plugins.run_dataset_registrations()
    training = plain_name(name) if plain_name(name) in training_sets else None
    tests = [
        key
        for key in (name.lower(), *(f"{name.lower()}_{split}" for split in _SPLITS))
        if key in evaluation_sets
    ]
    if plain_name(name) == "folder":
        # The evaluation data set reads the same files.
        tests = []
    if training is None and not tests:
        known = dataset_names()
        raise BadValue(
            f"data set '{name}' is not known{suggestion(name.lower(), known)} - known are "
            f"{', '.join(known)}"
        )
    if root is not None and not root.is_dir():
        raise MissingFile(f"there is no folder '{root}' - give the folder of the data set")
    parts: list[Part] = []
    problems: dict[str, str] = {}
    readings: list[tuple[Callable[[str, Path | None], Part], str, str]] = [
        (_open_test, key, key) for key in tests
    ]
    if training is not None:
        readings.insert(0, (_open_training, training, f"{training} for training"))
    for open_reading, key, title in readings:
        try:
            parts.append(open_reading(key, root))
        except BadInput as error:
            problems[title] = str(error)
    if not parts:
        raise BadInput(next(iter(problems.values())))
    if problems:
        log.info("not there and left out: %s", ", ".join(problems))
    return parts


def _open_training(name: str, root: Path | None) -> Part:
    if root is None:
        ensure_local_file()
        candidates: list[Path | None] = [None]
    else:
        candidates = [folder for folder in (root, root / "train") if folder.is_dir()]
    dataset = _open_first(candidates, lambda folder: open_dataset(name, folder, training=True))
    entries = (
        getattr(dataset, "sequence_list", None)
        or getattr(dataset, "image_list", None)
        or range(len(dataset))
    )
    names = [
        "/".join(map(str, entry)) if isinstance(entry, (tuple, list)) else str(entry)
        for entry in entries
    ]
    return Part(f"{type(dataset).__name__} (training)", names, dataset)


def _open_test(key: str, root: Path | None) -> Part:
    candidates: list[Path | None] = [root]
    if root is None:
        environment.ensure_local_file()
    elif key.endswith(f"_{root.name}"):
        # ROOT may be the folder of this one split.
        candidates.append(root.parent)

    def open_at(folder: Path | None) -> Any:
        return open_dataset(key, folder).get_sequence_list()

    sequences = _open_first(candidates, open_at)
    return Part(f"{key} (evaluation)", [sequence.name for sequence in sequences], sequences)


def _open_first(folders: Sequence[Path | None], open_at: Callable[[Path | None], Any]) -> Any:
    """Return what opens at the first of the folders; the first error where nothing does."""
    problems: list[BadInput] = []
    for folder in folders:
        try:
            return open_at(folder)
        except BadInput as error:
            problems.append(error)
    raise problems[0]


def _training_sequence(dataset, name: str, seq_id: int) -> SequenceFiles | Finding:
    if isinstance(dataset, VideoFolder):
        problem = _unreadable_video(dataset, name, seq_id)
        if problem is not None:
            return problem
    info = dataset.get_sequence_info(seq_id)
    tracks = _tracks(info.get("bbox"))
    num_frames = max((len(boxes) for boxes in tracks.values()), default=0)
    shown = _marked_visible(dataset, seq_id, info, tracks)
    optional = dataset.get_name() == "folder"
    paths = (
        tuple(str(dataset.frame_path(seq_id, i)) for i in range(num_frames))
        if hasattr(dataset, "frame_path")
        else _noted(dataset, num_frames, lambda i: dataset.get_frame(seq_id, i))
    )
    if paths and _are_images(dataset, seq_id, paths):
        return SequenceFiles(
            name, paths, tracks, shown, optional, own_folder=isinstance(dataset, FileVideoDataset)
        )
    return SequenceFiles(
        name,
        paths or tuple(f"{name} frame {i}" for i in range(num_frames)),
        tracks,
        shown,
        optional,
        read_size=lambda i: _packed_size(dataset, seq_id, i),
    )


def _packed_size(dataset, seq_id: int, frame_id: int) -> tuple[int, int]:
    """Return the size of a frame that is no file; raise BadValue where its video is damaged."""
    size = _size(dataset.get_frame(seq_id, frame_id))
    place = Path(dataset.frame_path(seq_id, frame_id)) if hasattr(dataset, "frame_path") else None
    packed = place if place is None or place.is_file() else find_packed(place.parent)
    damage = shared_source(packed).damage(frame_id) if packed is not None else None
    if damage is not None:
        raise BadValue(f"{packed}: frame {frame_id} is damaged ({damage}); copy the video again")
    return size


def _unreadable_video(dataset: VideoFolder, name: str, seq_id: int) -> Finding | None:
    """Return what is wrong with a video whose frames cannot be counted."""
    try:
        dataset.get_sequence_length(seq_id)
    except (BadInput, OSError) as error:
        finding = Finding(UNREADABLE, name)
        finding.add(str(error), str(dataset.frame_files(seq_id)[0]))
        return finding
    return None


def _are_images(dataset, seq_id: int, paths: Sequence[str]) -> bool:
    """Tell whether the frames are image files; else they are read through the data set."""
    if has_suffix(paths[0], PACKED_SUFFIXES):
        return False
    return os.path.isfile(paths[0]) or not _is_packed(dataset, seq_id)


def _noted(dataset, count: int, read: Callable[[int], Any]) -> tuple[str, ...]:
    """The files that `read(0)`, …, `read(count - 1)` open with the data set's image loader; empty
    where it is not used.
    """
    paths: list[str] = []

    def note(path: str | os.PathLike) -> np.ndarray:
        paths.append(str(path))
        return np.zeros((1, 1, 3), np.uint8)

    loader = getattr(dataset, "image_loader", None)
    try:
        dataset.image_loader = note
        for i in range(count):
            read(i)
    except (
        BadInput,
        OSError,
        ValueError,
        LookupError,
    ):  # of a reader that expects the real picture
        return ()
    finally:
        dataset.image_loader = loader
    return tuple(paths) if len(paths) == count else ()


def _is_packed(dataset, seq_id: int) -> bool:
    """Say whether the frames can be read although they are no files: from a video or an archive."""
    try:
        dataset.get_frame(seq_id, 0)
    except (BadInput, OSError):
        return False
    return True


def _size(image: np.ndarray) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _marked_visible(
    dataset, seq_id: int, info: Mapping[str, Any], tracks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Where each target is marked as visible. Boxes aside where possible: `visible` may be False
    for an empty box.
    """
    if "visible" not in info:
        return {}
    if len(tracks) == 1 and hasattr(dataset, "visibility"):
        ((target, boxes),) = tracks.items()
        if is_box(boxes).all():
            return {target: np.asarray(info["visible"]).astype(bool)}
        marks = dataset.visibility(seq_id, boxes, np.ones(len(boxes), bool))
        return {target: np.asarray(marks["visible"]).astype(bool)}
    visible = np.asarray(info["visible"]).astype(bool)
    if len(visible) == 0 or visible.reshape(len(visible), -1).shape[1] != len(tracks):
        return {}
    return dict(zip(tracks, visible.reshape(len(visible), -1).T, strict=True))


def _training_image(dataset, name: str, image_id: int) -> SequenceFiles:
    info = dataset.get_image_info(image_id)
    paths = _noted(dataset, 1, lambda _: dataset.get_image(image_id, info))
    return SequenceFiles(
        name,
        paths or (name,),
        _tracks(info.get("bbox")),
        read_size=None if paths else lambda _: _size(dataset.get_image(image_id)[0]),
    )


def _evaluation_sequence(_sequences, name: str, sequence) -> SequenceFiles:
    tracks, shown = _tracks(sequence.ground_truth_rect), sequence.target_visible
    marks = {} if shown is None else dict.fromkeys(tracks, np.asarray(shown).astype(bool))
    optional = (
        sequence.dataset in _BOX_OPTIONAL or sequence.object_ids is not None
    )  # objects come and go
    return SequenceFiles(
        name,
        tuple(map(str, sequence.frames)),
        tracks,
        marks,
        optional,
        own_folder=sequence.dataset == "lasot",
    )


def _tracks(boxes: Any) -> dict[str, np.ndarray]:
    if boxes is None:
        return {}
    if isinstance(boxes, Mapping):
        return {
            str(target): np.asarray(rows, np.float64).reshape(-1, 4)
            for target, rows in boxes.items()
        }
    return {"": np.asarray(boxes, np.float64).reshape(-1, 4)}
