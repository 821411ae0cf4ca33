"""The sequences of a data set, found by name through the same classes that training and evaluation
use.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ltr.dataset
from ltr.admin.environment import ensure_local_file
from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.io.files import write_text
from pytracking.evaluation import environment
from pytracking.evaluation.datasets import dataset_dict, load_dataset
from pytracking.utils import plugins
from spot_ext.check.sequences import ANNOTATION, Finding, SequenceFiles

log = logging.getLogger(__name__)

_TRAINING_NAMES = {
    "folder": "VideoFolder",
    "coco": "MSCOCOSeq",
}  # others as their class, in any case, - and _ aside
_SPLITS = ("train", "val", "test")
_OWN_PATHS = (
    "results_path",
    "segmentation_path",
    "network_path",
    "result_plot_path",
    "dataspec_path",
    "plugins",
)
# Evaluation data sets that mark frames without a visible target by a box of NaN, zeros or -1.
_BOX_OPTIONAL = {"uav", "oxuva", "folder", "tpl", "avist", "lasot_extension_subset"}


@dataclass(frozen=True)
class Part:
    """One reading of a data set: training videos or a test set. Iterating loads the annotation, one
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


def open_parts(name: str, root: Path | None = None) -> list[Part]:
    """All readings of the data set `name` that are there, at `root` or where local.py says.

    `got10k` is the training videos and the test sets `got10k_val` and `got10k_test`, `got10k_val`
    that one only. `root` is what local.py would hold, or the folder of the one split below it.
    Raises BadInput when the name is unknown or nothing is there.
    """
    plugins.run_dataset_registrations()
    training = _training_classes().get(_plain(name))
    tests = [
        key
        for key in (name.lower(), *(f"{name.lower()}_{split}" for split in _SPLITS))
        if key in dataset_dict
    ]
    if _plain(name) == "folder":
        tests = []  # the same files
    if training is None and not tests:
        known = sorted({*_training_classes(), *dataset_dict})
        raise BadValue(
            f"data set '{name}' is not known{suggestion(name.lower(), known)} - known are "
            f"{', '.join(known)}"
        )
    if root is not None and not root.is_dir():
        raise MissingFile(f"there is no folder '{root}' - give the folder of the data set")
    parts, problems = [], {}
    for open_one, key in [
        *([(_open_training, training)] if training else []),
        *((_open_test, key) for key in tests),
    ]:
        try:
            parts.append(open_one(key, root))
        except BadInput as error:
            problems[key] = str(error)
    if not parts:
        raise BadInput(next(iter(problems.values())))
    if problems:
        log.info("not there and left out: %s", ", ".join(problems))
    return parts


def _training_classes() -> dict[str, str]:
    return {
        **{_plain(name): name for name in ltr.dataset.__all__ if not name.startswith("Base")},
        **_TRAINING_NAMES,
    }


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _open_training(class_name: str, root: Path | None) -> Part:
    make = getattr(ltr.dataset, class_name)
    if root is None:
        ensure_local_file()
        places = [{}]
    else:
        if "root" not in inspect.signature(make).parameters:
            raise BadValue(
                f"{class_name}: takes no folder - set it in ltr/admin/local.py and leave ROOT out"
            )
        places = [{"root": str(place)} for place in (root, root / "train") if place.is_dir()]
    problem: BadInput | None = None
    for place in places:
        for options in ({}, {"split": "train"}):
            try:
                dataset = make(**place, **options)
                break
            except TypeError:  # this class has no split
                continue
            except BadInput as error:
                problem = problem or error
        else:
            continue
        entries = (
            getattr(dataset, "sequence_list", None)
            or getattr(dataset, "image_list", None)
            or range(len(dataset))
        )
        names = [
            "/".join(map(str, entry)) if isinstance(entry, (tuple, list)) else str(entry)
            for entry in entries
        ]
        return Part(f"{class_name} (training)", names, dataset)
    raise problem or BadInput(f"{class_name} cannot be opened at '{root}'")


def _open_test(key: str, root: Path | None) -> Part:
    places = (
        [None]
        if root is None
        else [root, *([root.parent] if key.endswith(f"_{root.name}") else [])]
    )
    problem: BadInput | None = None
    for place in places:
        try:
            with _settings_at(place):
                sequences = load_dataset(key).get_sequence_list()
            return Part(f"{key} (evaluation)", [sequence.name for sequence in sequences], sequences)
        except BadInput as error:
            problem = problem or error
    raise problem


@contextlib.contextmanager
def _settings_at(root: Path | None) -> Iterator[None]:
    """Within the block, the evaluation's local.py names `root` as the folder of every data set."""
    if root is None:
        environment.ensure_local_file()
        yield
        return
    settings = (
        environment.env_settings()
        if environment.local_file().is_file()
        else environment.EnvSettings()
    )
    lines = []
    for name, value in vars(settings).items():
        if (
            name.endswith(("_path", "_dir"))
            and name not in _OWN_PATHS
            and "_packed_" not in name
            and "_mask_" not in name
        ):
            value = str(root.resolve())
        if isinstance(value, (str, list, tuple, type(None))):
            lines.append(f"    settings.{name} = {value!r}\n")
    before = os.environ.get(environment.VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        write_text(
            Path(folder) / "local.py",
            "from pytracking.evaluation.environment import EnvSettings\n\n\n"
            "def local_env_settings():\n    settings = EnvSettings()\n"
            + "".join(lines)
            + "    return settings\n",
        )
        os.environ[environment.VARIABLE] = str(Path(folder) / "local.py")
        try:
            yield
        finally:
            if before is None:
                del os.environ[environment.VARIABLE]
            else:
                os.environ[environment.VARIABLE] = before


def _training_sequence(dataset, name: str, seq_id: int) -> SequenceFiles:
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
    if paths and (os.path.isfile(paths[0]) or not _is_packed(dataset, seq_id)):
        return SequenceFiles(
            name, paths, tracks, shown, optional, own_folder=isinstance(dataset, FileVideoDataset)
        )
    return SequenceFiles(
        name,
        paths or tuple(f"{name} frame {i}" for i in range(num_frames)),
        tracks,
        shown,
        optional,
        read_size=lambda i: _size(dataset.get_frame(seq_id, i)),
    )


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
    """Whether the frames can be read although they are no files: from a video or an archive."""
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
        if np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all():
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
