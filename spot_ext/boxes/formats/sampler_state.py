"""Explored frames as the reference's JSON ("sampler state"), for taking a run over from it or
handing one back.

    {SEQ: [{"key_frame_ids": [..], "relay_frame_ids": [..], "bboxes": [[x, y, w, h], ..],
    "confidence": [..]}, ..]}

`relay_frame_ids` are the explored frames, labels included; one list entry is one object path.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.files import atomic_write

FIELDS = ("key_frame_ids", "relay_frame_ids", "bboxes", "confidence")


@dataclass(frozen=True, eq=False)
class PathState:
    """What is known of one object path: sorted frame ids (n,), boxes float32 (n, 4), confidences
    float64 (n,).
    """

    key: str
    path: int
    key_ids: np.ndarray
    explored_ids: np.ndarray
    boxes_xywh: np.ndarray
    confidences: np.ndarray


def write(states: Iterable[PathState], path: str | os.PathLike) -> None:
    """Write `states` (paths of one sequence next to each other, numbered from 0) to `path` in one
    step.

    A number that stands for one decimal is written with one decimal, others in full, so that `read`
    gets them back.
    """
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        opening, current = "{", None
        for (
            state
        ) in states:  # one line a path, written as it comes: the whole text may not fit in memory
            if state.key == current:
                file.write(",\n  ")
            else:
                file.write(f"{opening}\n{json.dumps(state.key)}: [\n  ")
                opening, current = "\n],", state.key
            json.dump(
                {
                    "key_frame_ids": state.key_ids.tolist(),
                    "relay_frame_ids": state.explored_ids.tolist(),
                    "bboxes": _decimal(state.boxes_xywh),
                    "confidence": state.confidences.tolist(),
                },
                file,
            )
        file.write("{}\n" if current is None else "\n]}\n")


def read(path: str | os.PathLike) -> Iterator[PathState]:
    """Yield every object path of a sampler-state file, checked. Raises MissingFile or BadValue
    naming file and path.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFile(f"no sampler state '{path}'; correct the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadValue(
            f"{path}: not a JSON file ({error}); give a sampler state that was written completely"
        ) from None
    if not isinstance(content, dict):
        raise BadValue(
            f"{path}: not a sampler state: it must map sequence names to object paths; give "
            "another file"
        )
    for key, entries in content.items():
        if not isinstance(entries, list):
            raise BadValue(
                f"{path}: '{key}' must hold a list of object paths; correct it or remove it"
            )
        for number, entry in enumerate(entries):
            try:
                yield _path_state(key, number, entry)
            except BadValue as error:
                raise BadValue(
                    f"{path}: '{key}', path {number}: {error}; correct it or remove it"
                ) from None


def _decimal(boxes_xywh: np.ndarray) -> list[list[float]]:
    rounded = np.round(boxes_xywh.astype(np.float64), 1)
    return np.where(rounded.astype(np.float32) == boxes_xywh, rounded, boxes_xywh).tolist()


def _path_state(key: str, number: int, entry: Any) -> PathState:
    missing = [
        name
        for name in FIELDS
        if not isinstance(entry, dict) or not isinstance(entry.get(name), list)
    ]
    if missing:
        raise BadValue(f"no list {missing[0]}")
    try:
        key_ids, explored_ids = (np.array(entry[name]) for name in FIELDS[:2])
        boxes = np.array(entry["bboxes"], dtype=np.float64).reshape(-1, 4)
        confidences = np.array(entry["confidence"], dtype=np.float64)
    except (TypeError, ValueError):
        raise BadValue("ids, boxes and confidences must be plain numbers") from None
    for name, ids in zip(FIELDS, (key_ids, explored_ids), strict=False):
        if (
            ids.ndim != 1
            or not len(ids)
            or ids.dtype.kind != "i"
            or ids[0] < 0
            or (np.diff(ids) <= 0).any()
        ):
            raise BadValue(f"{name} must be whole numbers from 0, sorted, each once")
    if not len(explored_ids) == len(boxes) == len(confidences):
        raise BadValue(
            f"{len(explored_ids)} relay_frame_ids, {len(boxes)} bboxes and {len(confidences)} "
            "confidences"
            " should be equally many"
        )
    if not np.isin(key_ids, explored_ids).all():
        raise BadValue("a key frame is missing among the relay_frame_ids")
    if not np.isfinite(boxes).all() or not np.isfinite(confidences).all():
        raise BadValue("a box or confidence is not finite")
    return PathState(key, number, key_ids, explored_ids, boxes.astype(np.float32), confidences)
