"""Labelled frames on disk: the reference's JSON, which both implementations read.

    {"fs_settings": {"name", "dataset", "split", "mode", "num"}, "failure_seqs": [SEQ, ..],
     "sparse_sample_result": {SEQ: [{"f_ids": [..]} (, "bboxes": [[x, y, w, h], ..]), ..]}}

One list entry is one object path. Ours adds `seed` and `version` to `fs_settings`, and to paths
with boxes of their own a `quality`, where other readers pass over them.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.io.files import write_text
from spot_ext.boxes.labels import LabelSet, TargetPath, VideoLabels

logger = logging.getLogger(__name__)

VERSION = 1
SETTINGS, FAILURES, RESULT = "fs_settings", "failure_seqs", "sparse_sample_result"


def file_name(labels: LabelSet) -> str:
    """`DATASET_SPLIT_kf_00K.json`, e.g. `TrackingNet_0-3_kf_003.json`."""
    return f"{labels.name}.json"


def write(labels: LabelSet, path: str | os.PathLike) -> Path:
    """Write `labels` to `path` in one step; a folder gets the file under its usual name. Returns
    the file's path.
    """
    path = Path(path)
    if path.is_dir():
        path = path / file_name(labels)
    settings = {
        "name": labels.name,
        "dataset": labels.dataset,
        "split": labels.split,
        "mode": labels.mode,
        "num": labels.num,
        **labels.extra,
        "version": VERSION,
    }
    if labels.seed is not None:
        settings["seed"] = labels.seed
    result = {
        key: [_path_entry(target) for target in video.paths] for key, video in labels.videos.items()
    }
    content = {SETTINGS: settings, FAILURES: list(labels.failures), RESULT: result}
    write_text(path, json.dumps(content, indent=4, sort_keys=True) + "\n")
    return path


def read(path: str | os.PathLike, known_keys: Collection[str] | None = None) -> LabelSet:
    """Read a result file, ours or the reference's.

    With `known_keys` (the sequence keys of a data set) only the videos among them are kept, see
    `keep_known`. Raises MissingFile, or BadValue that names the file, the sequence and what is
    wrong there.
    """
    path = Path(path)
    content = _load_json(path)
    settings = dict(_field(content, SETTINGS, dict, path))
    version = settings.pop("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise BadValue(
            f"{path}: written in version {version!r} of the format, this program reads up to "
            f"{VERSION};"
            " update it or choose the key frames again"
        )
    where = f"{path}: {SETTINGS}"
    seed = settings.pop("seed", None)
    if seed is not None and not _is_integer(seed):
        raise BadValue(f"{where}: seed is {seed!r}, not a whole number; correct it or remove it")
    num = _take(settings, "num", where)
    if not _is_integer(num) or num < 0:
        raise BadValue(f"{where}: num is {num!r}, not the number of labels per video; correct it")
    failures = content.get(FAILURES, [])
    if not isinstance(failures, list) or not all(isinstance(key, str) for key in failures):
        raise BadValue(
            f"{path}: {FAILURES} must be a list of sequence names; correct it or empty it"
        )
    result = _field(content, RESULT, dict, path)
    videos = {key: _video(key, entries, path) for key, entries in result.items()}
    dataset, split, mode = (_take(settings, name, where) for name in ("dataset", "split", "mode"))
    try:
        labels = LabelSet(
            str(dataset), str(split), mode, num, seed, videos, tuple(failures), settings
        )
    except BadValue as error:
        raise BadValue(f"{where}: {error}") from None
    if settings.get("name") == labels.name:
        del settings[
            "name"
        ]  # it follows from the other settings; a name of someone's own stays in `extra`
    return labels if known_keys is None else keep_known(labels, known_keys, str(path))


def keep_known(labels: LabelSet, known_keys: Collection[str], where: str) -> LabelSet:
    """Return `labels` reduced to the videos whose key is among `known_keys`.

    Unknown ones are counted in one log line; when not one is known the file is for other data and
    that is an error. `where` names the file in messages.
    """
    known = set(known_keys)
    videos = {key: video for key, video in labels.videos.items() if key in known}
    unknown = [key for key in labels.videos if key not in known]
    if unknown and not videos:
        raise BadValue(
            f"{where}: none of its {len(unknown)} sequences (e.g. '{unknown[0]}') is in the data "
            "set, whose"
            f" names look like '{min(known, default='')}'; choose the label file of this data set "
            "and split"
        )
    if unknown:
        logger.warning(
            "%s: %d of %d sequences are not in the data set and are passed over, e.g. '%s'%s",
            where,
            len(unknown),
            len(labels.videos),
            unknown[0],
            suggestion(unknown[0], known),
        )
    return LabelSet(
        labels.dataset,
        labels.split,
        labels.mode,
        labels.num,
        labels.seed,
        videos,
        labels.failures,
        labels.extra,
    )


def _path_entry(target: TargetPath) -> dict[str, Any]:
    entry: dict[str, Any] = {"f_ids": list(target.frame_ids)}
    if target.boxes_xywh is not None:
        entry["bboxes"] = target.boxes_xywh.tolist()
    if target.quality is not None:
        entry["quality"] = target.quality
    return entry


def _video(key: str, entries: Any, path: Path) -> VideoLabels:
    if not isinstance(entries, list) or not entries:
        raise BadValue(
            f"{path}: '{key}' must hold a list of object paths, each with f_ids; correct it or "
            "remove it"
        )
    paths = []
    for number, entry in enumerate(entries):
        where = f"{path}: '{key}', path {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("f_ids"), list):
            raise BadValue(f"{where}: no list f_ids of labelled frames; add it or remove the path")
        try:
            paths.append(
                TargetPath(
                    tuple(entry["f_ids"]), entry.get("bboxes"), _quality(entry.get("quality"))
                )
            )
        except BadValue as error:
            raise BadValue(
                f"{where}: {error}; correct the file or choose the key frames again"
            ) from None
    return VideoLabels(key, tuple(paths))


def _quality(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise BadValue(f"quality {value!r} is not a number from 0 to 1")
    return value


def _load_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFile(
            f"no label file '{path}'; write it with `python -m spot_ext sample`, or correct the "
            "path"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_key_once)
    except BadValue as error:
        raise BadValue(f"{path}: {error}") from None
    except ValueError as error:  # not JSON, or not UTF-8
        raise BadValue(f"{path}: not a JSON file ({error}); choose the key frames again") from None
    if not isinstance(content, dict):
        raise BadValue(
            f"{path}: holds no {RESULT}; give a file written by `python -m spot_ext sample`"
        )
    return content


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in content if names.count(name) > 1)
        raise BadValue(f"'{twice}' is there twice and one would hide the other; remove one of them")
    return content


def _field(content: dict[str, Any], key: str, kind: type, path: Path) -> Any:
    if not isinstance(content.get(key), kind):
        raise BadValue(
            f"{path}: no {key}{suggestion(key, content)};"
            " give a file written by `python -m spot_ext sample`"
        )
    return content[key]


def _take(settings: dict[str, Any], key: str, where: str) -> Any:
    if key not in settings:
        raise BadValue(f"{where}: no {key}{suggestion(key, settings)}; add it")
    return settings.pop(key)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
