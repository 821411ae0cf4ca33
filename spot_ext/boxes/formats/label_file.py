"""The JSON of labelled frames that `sample` writes and recipes train on, and its two relatives.

A label file is the reference's, which both implementations read:

    {"fs_settings": {"name", "dataset", "split", "mode", "num"}, "failure_seqs": [SEQ, ..],
     "sparse_sample_result": {SEQ: [{"f_ids": [..]} (, "bboxes": [[x, y, w, h], ..]), ..]}}

One list entry is one object's track. Ours adds `seed` and `version` to `fs_settings`, and to tracks
with boxes of their own a `quality`, where other readers pass over them. As a format of boxes it is
called `keyframes`: an object's id is its number in the video, from 1.

The reference's sampler state holds a run's explored frames, to take the run over or hand it back:

    {SEQ: [{"key_frame_ids": [..], "relay_frame_ids": [..], "bboxes": [[x, y, w, h], ..],
    "confidence": [..]}, ..]}

`relay_frame_ids` are the explored frames, labels included.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, MissingFile, in_short, suggestion
from ltr.admin.invocation import spot_command
from ltr.io.files import atomic_write, write_text
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import BoxTable
from spot_ext.boxes.labels import (
    LabelSet,
    SequenceTrack,
    VideoLabels,
    labelled_track,
    quality_of,
)
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

logger = logging.getLogger(__name__)

VERSION = 1
SETTINGS, FAILURES, RESULT = "fs_settings", "failure_seqs", "sparse_sample_result"
STATE_FIELDS = ("key_frame_ids", "relay_frame_ids", "bboxes", "confidence")

# The settings of a file that is written from boxes of any other format.
DATASET, SPLIT, MODE = "folder", "train", "key_frames"

# -- label sets ------------------------------------------------------------------------------------


def file_name(labels: LabelSet) -> str:
    """Return `DATASET_SPLIT_kf_00K.json`, e.g. `TrackingNet_0-3_kf_003.json`."""
    return f"{labels.name}.json"


def write(labels: LabelSet, path: str | os.PathLike) -> Path:
    """Write `labels` to `path` in one step and return the file's path.

    A folder gets the file under its usual name.
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
    result = {}
    for key, video in labels.videos.items():
        result[key] = [_track_entry(track) for track in video.tracks]
    content = {SETTINGS: settings, FAILURES: list(labels.failures), RESULT: result}
    write_text(path, json.dumps(content, indent=4, sort_keys=True) + "\n")
    return path


def read(path: str | os.PathLike, known_keys: Collection[str] | None = None) -> LabelSet:
    """Read a label file, ours or the reference's.

    With `known_keys` (the sequence keys of a data set) only the videos among them are kept, see
    `keep_known`. Raises MissingFile, or BadValue that names the file, the sequence and what is
    wrong there.
    """
    path = Path(path)
    content = _load_labels(path)
    settings = dict(_field(content, SETTINGS, dict, path))
    where = f"{path}: {SETTINGS}"
    _check_version(settings.pop("version", VERSION), path)
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
    videos = {}
    for key, entries in _field(content, RESULT, dict, path).items():
        videos[key] = _video_labels(key, entries, path)
    dataset, split, mode = (_take(settings, name, where) for name in ("dataset", "split", "mode"))
    if not isinstance(mode, str):
        raise BadValue(f"{where}: mode is {in_short(mode)}, not a name; correct it")
    try:
        labels = LabelSet(
            str(dataset), str(split), mode, num, seed, videos, tuple(failures), settings
        )
    except BadValue as error:
        raise BadValue(f"{where}: {error}") from None
    # The usual name follows from the other settings; a name of someone's own stays in `extra`.
    if settings.get("name") == labels.name:
        del settings["name"]
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
            f"set, whose names look like '{min(known, default='')}'; choose the label file of this "
            "data set and split"
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
    return dataclasses.replace(labels, videos=videos)


def _track_entry(track: ObjectTrack) -> dict[str, Any]:
    entry: dict[str, Any] = {"f_ids": track.frame_ids.tolist()}
    if track.has_boxes:
        entry["bboxes"] = track.boxes_xywh.tolist()
    quality = quality_of(track)
    if quality is not None:
        entry["quality"] = quality
    return entry


def _video_labels(key: str, entries: Any, path: Path) -> VideoLabels:
    if not isinstance(entries, list) or not entries:
        raise BadValue(
            f"{path}: '{key}' must hold a list of object tracks, each with f_ids; correct it or "
            "remove it"
        )
    tracks = []
    for number, entry in enumerate(entries):
        where = f"{path}: '{key}', track {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("f_ids"), list):
            raise BadValue(f"{where}: no list f_ids of labelled frames; add it or remove the track")
        try:
            quality = _quality(entry.get("quality"))
            tracks.append(labelled_track(entry["f_ids"], entry.get("bboxes"), quality))
        except (BadValue, OverflowError) as error:
            raise BadValue(
                f"{where}: {error}; correct the file or choose the key frames again"
            ) from None
    return VideoLabels(key, tuple(tracks))


def _quality(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise BadValue(f"quality {value!r} is not a number from 0 to 1")
    return value


def _check_version(version: Any, path: Path) -> None:
    if not isinstance(version, int) or version > VERSION:
        raise BadValue(
            f"{path}: written in version {version!r} of the format, this program reads up to "
            f"{VERSION}; update it or choose the key frames again"
        )


def _load_labels(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFile(
            f"no label file '{path}'; write it with `{spot_command('sample')}`, or correct the path"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_key_once)
    except BadValue as error:
        raise BadValue(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested without end
        raise BadValue(f"{path}: not a JSON file ({error}); choose the key frames again") from None
    if not isinstance(content, dict):
        raise BadValue(
            f"{path}: holds no {RESULT}; give a file written by `{spot_command('sample')}`"
        )
    return content


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name in content if counts[name] > 1)
        raise BadValue(
            f"'{in_short(twice)}' is there twice and one would hide the other; remove one of them"
        )
    return content


def _field(content: dict[str, Any], key: str, kind: type, path: Path) -> Any:
    if not isinstance(content.get(key), kind):
        raise BadValue(
            f"{path}: no {key}{suggestion(key, content)};"
            f" give a file written by `{spot_command('sample')}`"
        )
    return content[key]


def _take(settings: dict[str, Any], key: str, where: str) -> Any:
    if key not in settings:
        raise BadValue(f"{where}: no {key}{suggestion(key, settings)}; add it")
    return settings.pop(key)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# -- as a format of boxes --------------------------------------------------------------------------


def looks_like(place: Candidate) -> bool:
    """Tell JSON with the two parts that each label file has."""
    return isinstance(place.json, dict) and {SETTINGS, RESULT} <= set(place.json)


def read_boxes(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Read the boxes of a label file.

    A file of frame numbers only, as `sample` writes it, stands for the boxes that lie beside the
    videos (`groundtruth.txt`), and is refused where there are none.
    """
    table = BoxTable(path, infos)
    for key, labels in read(path).videos.items():
        video = _video_of_key(key, infos)
        for number, track in enumerate(labels.tracks):
            where = f"{path}: '{key}', track {number}"
            boxes: np.ndarray | None = track.boxes_xywh
            if not track.has_boxes:
                boxes = infos.boxes(video, track.frame_ids.tolist())
                if boxes is None and video not in infos and len(infos):
                    # The video is of another folder; nothing is known of it here.
                    continue
            if boxes is None or not np.isfinite(boxes).all():
                raise BadValue(
                    f"{where}: frame numbers without boxes, and no groundtruth.txt of the video "
                    "has them; draw them: "
                    f"`{spot_command('annotate', 'FOLDER', '--suggest', path)}`"
                )
            for frame_id, box in zip(track.frame_ids.tolist(), boxes.tolist(), strict=True):
                table.add(where, video, track.object_id, frame_id, box)
    return table.videos()


def write_boxes(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """Write one file; a folder gets it under its usual name.

    Frames without a box are left out, and objects without any.
    """
    labelled = {}
    for video in videos:
        present = [track.present for track in video.objects]
        tracks = [labelled_track(t.frame_ids, t.boxes_xywh) for t in present if len(t)]
        if tracks:
            labelled[video.video] = VideoLabels(video.video, tuple(tracks))
    counts = [len(track) for labels in labelled.values() for track in labels.tracks]
    most = max(counts, default=0)
    return [write(LabelSet(DATASET, SPLIT, MODE, most, videos=labelled), path)]


def _video_of_key(key: str, infos: Infos) -> str:
    """Return the video of a key, which is its name, perhaps with that of its data set before it."""
    name = infos.name(key)
    if name in infos:
        return name
    parts = key.split("_")
    for start in (1, 2):
        rest = "_".join(parts[start:])
        if rest in infos:
            return rest
    return name


FORMAT = Format(
    name="keyframes",
    text="the JSON of key frames that `sample` writes and `train` reads",
    order=20,
    looks_like=looks_like,
    read=read_boxes,
    write=write_boxes,
    suffixes=(".json",),
)

# -- the reference's sampler state -----------------------------------------------------------------


def write_state(tracks: Iterable[SequenceTrack], path: str | os.PathLike) -> None:
    """Write explored tracks (those of one sequence next to each other) to `path` in one step.

    A number that stands for one decimal is written with one decimal, others in full, so that
    `read_state` gets them back.
    """
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        opening = "{"
        current = None
        # One line a track, written as it comes: the whole text may not fit in memory.
        for item in tracks:
            if item.sequence == current:
                file.write(",\n  ")
            else:
                file.write(f"{opening}\n{json.dumps(item.sequence)}: [\n  ")
                opening, current = "\n],", item.sequence
            entry = {
                "key_frame_ids": item.key_ids.tolist(),
                "relay_frame_ids": item.track.frame_ids.tolist(),
                "bboxes": _shortest_decimals(item.track.boxes_xywh),
                "confidence": item.track.confidences.tolist(),
            }
            json.dump(entry, file)
        file.write("{}\n" if current is None else "\n]}\n")


def read_state(path: str | os.PathLike) -> Iterator[SequenceTrack]:
    """Yield every explored track of a sampler-state file, checked; their lengths are not known.

    Raises MissingFile or BadValue naming file, sequence and track.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"no sampler state '{path}'; correct the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadValue(
            f"{path}: not a JSON file ({error}); give a sampler state that was written completely"
        ) from None
    if not isinstance(content, dict):
        raise BadValue(
            f"{path}: not a sampler state: it must map sequence names to object tracks; give "
            "another file"
        )
    for key, entries in content.items():
        if not isinstance(entries, list):
            raise BadValue(
                f"{path}: '{key}' must hold a list of object tracks; correct it or remove it"
            )
        for number, entry in enumerate(entries):
            try:
                track = _explored_track(entry, str(number + 1))
            except BadValue as error:
                raise BadValue(
                    f"{path}: '{key}', track {number}: {error}; correct it or remove it"
                ) from None
            yield SequenceTrack(key, number, track)


def _shortest_decimals(boxes_xywh: np.ndarray) -> list[list[float]]:
    """Return boxes with one decimal where that is the same 32-bit number, else in full."""
    rounded = np.round(boxes_xywh, 1)
    same = rounded.astype(np.float32) == boxes_xywh.astype(np.float32)
    return np.where(same, rounded, boxes_xywh).tolist()


def _explored_track(entry: Any, object_id: str) -> ObjectTrack:
    for name in STATE_FIELDS:
        if not isinstance(entry, dict) or not isinstance(entry.get(name), list):
            raise BadValue(f"no list {name}")
    try:
        key_ids = np.array(entry["key_frame_ids"])
        explored_ids = np.array(entry["relay_frame_ids"])
        # The store keeps boxes in 32 bits, so they are compared and checked in 32 bits.
        boxes = np.array(entry["bboxes"], dtype=np.float32).reshape(-1, 4).astype(np.float64)
        confidences = np.array(entry["confidence"], dtype=np.float64)
    except (TypeError, ValueError):
        raise BadValue("ids, boxes and confidences must be plain numbers") from None
    _check_state_ids("key_frame_ids", key_ids)
    _check_state_ids("relay_frame_ids", explored_ids)
    if not len(explored_ids) == len(boxes) == len(confidences):
        raise BadValue(
            f"{len(explored_ids)} relay_frame_ids, {len(boxes)} bboxes and {len(confidences)} "
            "confidences should be equally many"
        )
    is_key = np.isin(explored_ids, key_ids)
    if is_key.sum() < len(key_ids):
        raise BadValue("a key frame is missing among the relay_frame_ids")
    if not np.isfinite(boxes).all() or not np.isfinite(confidences).all():
        raise BadValue("a box or confidence is not finite")
    return ObjectTrack(object_id, explored_ids, boxes, confidences, human=is_key)


def _check_state_ids(name: str, ids: np.ndarray) -> None:
    is_list_of_integers = ids.ndim == 1 and len(ids) > 0 and ids.dtype.kind == "i"
    if not is_list_of_integers or ids[0] < 0 or (np.diff(ids) <= 0).any():
        raise BadValue(f"{name} must be whole numbers from 0, sorted, each once")
