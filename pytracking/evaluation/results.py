"""Result files of a tracker on a sequence: which there are, and writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.admin.files import replacing, write_text
from pytracking.evaluation.data import Sequence


def result_files(seq: Sequence, results_dir: str) -> list[Path]:
    """The box files of `seq`: one, or with object ids one per object."""
    names = [seq.name] if seq.object_ids is None else [f"{seq.name}_{object_id}" for object_id in seq.object_ids]
    return [Path(results_dir, f"{name}.txt") for name in names]


def results_exist(seq: Sequence, results_dir: str) -> bool:
    """Whether the tracker has finished `seq`. The box files are written last, and whole."""
    return all(file.is_file() for file in result_files(seq, results_dir))


def save_results(seq: Sequence, results_dir: str, segmentation_dir: str, output: dict[str, Any]) -> None:
    """Write what `Tracker.run_sequence` returned.

    `<seq>.txt`: boxes, tab-separated whole numbers (decimals cut off; kept with `float_boxes`), one row per frame;
    `<seq>_time.txt` and `<seq>_object_presence_scores.txt`: one number per frame, the latter only when the tracker gave
    one for every frame. With several objects `<seq>_<id>…`. Masks: `<segmentation_dir>/<seq>/<frame>.png`.
    """
    if output.get("segmentation"):
        _save_masks(seq, Path(segmentation_dir, seq.name), output["segmentation"])
    base = Path(results_dir, seq.name)
    for key, ending in (("time", "time"), ("object_presence_score", "object_presence_scores")):
        for name, values in _per_object(base, output.get(key) or []).items():
            if key == "time" or 1 < len(values) == len(seq.frames):
                write_text(f"{name}_{ending}.txt", "".join(f"{float(value):f}\n" for value in values))
    box_format = "%.4f" if output.get("float_boxes") else "%d"
    for name, boxes in _per_object(base, output.get("target_bbox") or []).items():
        _save_boxes(Path(f"{name}.txt"), boxes, box_format)


def _per_object(base: Path, values: list) -> dict[str, list]:
    """The values by file name: one list, or one per object id when the values are dicts.

    An object has the rows of those frames in which it occurs.
    """
    if not values:
        return {}
    if not any(isinstance(value, dict) for value in values):
        return {str(base): values}
    lists: dict[str, list] = {}
    for by_object in values:
        for object_id, value in (by_object or {}).items():
            lists.setdefault(f"{base}_{object_id}", []).append(value)
    return lists


def _save_boxes(file: Path, boxes: list, box_format: str) -> None:
    table = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise BadInput(f"the tracker returned the box {table[row].tolist()} on frame {row}, which is no box; "
                       f"{file.name} is not written")
    if box_format == "%d":
        table = table.astype(int)
    with replacing(file) as temporary:
        np.savetxt(temporary, table, delimiter="\t", fmt=box_format)


def _save_masks(seq: Sequence, folder: Path, masks: list[np.ndarray]) -> None:
    from ltr.data.image_loader import imwrite_indexed

    if len(masks) != len(seq.frames):
        raise BadInput(f"the tracker returned {len(masks)} masks for {len(seq.frames)} frames; none is written")
    folder.mkdir(parents=True, exist_ok=True)
    for frame, mask in zip(seq.frames, masks, strict=True):
        imwrite_indexed(str(folder / f"{Path(frame).stem}.png"), mask)
