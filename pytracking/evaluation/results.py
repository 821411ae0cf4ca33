"""Result files of a tracker on a sequence: which there are, and writing them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.data.image_loader import imwrite_indexed
from ltr.io.files import atomic_write, write_text
from pytracking.evaluation.data import Sequence
from pytracking.utils.load_text import count_boxes


def result_files(seq: Sequence, results_dir: str) -> list[Path]:
    """The box files of `seq`: one, or with object ids one per object; OxUvA has its own format."""
    if seq.dataset == "oxuva":
        return [Path(results_dir, f"{_oxuva_name(seq)[0]}.csv")]
    names = (
        [seq.name]
        if seq.object_ids is None
        else [f"{seq.name}_{object_id}" for object_id in seq.object_ids]
    )
    return [Path(results_dir, f"{name}.txt") for name in names]


def results_exist(seq: Sequence, results_dir: str) -> bool:
    """Tell whether the tracker has finished `seq`: its box files are there, a box for each frame.

    The box files are written last, and whole; one that is shorter was copied from elsewhere or
    edited.
    """
    are_there = all(file.is_file() for file in result_files(seq, results_dir))
    return are_there and short_result(seq, results_dir) is None


def short_result(seq: Sequence, results_dir: str) -> str | None:
    """Return a sentence about a box file with fewer boxes than frames; None where there is none.

    Files of several objects hold a row for each frame with the object, and OxUvA's have a form of
    their own: they are not counted.
    """
    if seq.dataset == "oxuva" or seq.object_ids is not None:
        return None
    (file,) = result_files(seq, results_dir)
    boxes = count_boxes(file) if file.is_file() else len(seq.frames)
    if boxes >= len(seq.frames):
        return None
    return f"{file} has {boxes} boxes for {len(seq.frames)} frames; '{seq.name}' is tracked again"


def save_results(
    seq: Sequence, results_dir: str, segmentation_dir: str, output: dict[str, Any]
) -> None:
    """Write what `Tracker.run_sequence` returned.

    `<seq>.txt`: boxes, tab-separated whole numbers (decimals cut off; kept with `float_boxes`), one
    row per frame; `<seq>_time.txt` and `<seq>_object_presence_scores.txt`: one number per frame,
    the latter only when the tracker gave one for every frame. With several objects `<seq>_<id>…`,
    with rows for those frames in which the object occurs. Masks: label images
    `<segmentation_dir>/<seq>/<frame>.png`. OxUvA: one `<video>_<object>.csv` as its evaluation
    server wants it.
    """
    if output.get("segmentation"):
        _save_masks(seq, Path(segmentation_dir, seq.name), output["segmentation"])
    if seq.dataset == "oxuva":
        _save_oxuva(seq, result_files(seq, results_dir)[0], output)
        return
    base = Path(results_dir, seq.name)
    boxes = _per_object(base, output.get("target_bbox") or [])
    for name, values in _per_object(base, output.get("time") or []).items():
        _save_numbers(f"{name}_time.txt", values)
    for name, values in _per_object(base, output.get("object_presence_score") or []).items():
        if 1 < len(values) == len(boxes.get(name, seq.frames)):
            _save_numbers(f"{name}_object_presence_scores.txt", values)
    for name, values in boxes.items():
        save_boxes(Path(f"{name}.txt"), values, bool(output.get("float_boxes")))


def _per_object(base: Path, values: list) -> dict[str, list]:
    """The values by file name: one list, or one per object id when the values are dicts."""
    if not values:
        return {}
    dicts = [value for value in values if isinstance(value, dict)]
    if not dicts:
        return {str(base): values}
    lists: dict[str, list] = {}
    for value in values:
        by_object = (
            value if isinstance(value, dict) else dict.fromkeys(dicts[0], value)
        )  # one number for all objects
        for object_id, one in by_object.items():
            lists.setdefault(f"{base}_{object_id}", []).append(one)
    return lists


def _save_numbers(file: str, values: list) -> None:
    write_text(file, "".join(f"{float('nan' if value is None else value):f}\n" for value in values))


def save_boxes(file: Path, boxes: list, decimals: bool = False) -> None:
    """Write boxes_xywh to `file`, one row each, tab-separated: whole numbers (the rest is cut off)
    or four decimals.
    """
    table = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise BadInput(
            f"the tracker returned the box {table[row].tolist()} on frame {row}, which is no box; "
            f"{file.name} is not written"
        )
    with atomic_write(file) as temporary:
        np.savetxt(
            temporary,
            table if decimals else table.astype(int),
            delimiter="\t",
            fmt="%.4f" if decimals else "%d",
        )


def _save_masks(seq: Sequence, folder: Path, masks: list[np.ndarray]) -> None:
    if len(masks) != len(seq.frames):
        raise BadInput(
            f"the tracker returned {len(masks)} masks for {len(seq.frames)} frames; none is written"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for frame, mask in zip(seq.frames, masks, strict=True):
        imwrite_indexed(str(folder / f"{Path(frame).stem}.png"), mask)


def _oxuva_name(seq: Sequence) -> tuple[str, int]:
    """`<video>_<object>` of a sequence named `<video>_<object>_frames[<first>:<end>]`, and the
    number of its first frame.
    """
    name = re.fullmatch(r"(.+?)_frames\[(\d+):\d+\]", seq.name)
    return (name[1], int(name[2])) if name else (seq.name, 0)


def _save_oxuva(seq: Sequence, file: Path, output: dict[str, Any]) -> None:
    """Rows video, object, frame, present, score, xmin, xmax, ymin, ymax (relative to the image) of
    all but the first frame.
    """
    name, first = _oxuva_name(seq)
    video, target = name.rsplit("_", 1) if "_" in name else (name, "")
    height, width = output["image_shape"]
    scores = output.get("object_presence_score") or []
    rows = []
    for index, (x, y, w, h) in enumerate(output.get("target_bbox") or []):
        if index == 0:
            continue
        score = scores[index] if index < len(scores) else 1.0
        sides = np.clip([x / width, (x + w) / width, y / height, (y + h) / height], 0, 1).tolist()
        if not np.isfinite(sides).all():
            raise BadInput(
                f"the tracker returned the box {[x, y, w, h]} on frame {index}, which is no box; "
                f"{file.name} is "
                "not written"
            )
        present = "true" if score > output["object_presence_score_threshold"] else "false"
        rows.append(
            ",".join(map(str, [video, target, first + index, present, float(score), *sides])) + "\n"
        )
    write_text(file, "".join(rows))
