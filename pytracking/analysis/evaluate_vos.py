"""Evaluation of video object segmentation: masks of trackers against annotated masks, object by
object.

    evaluate_vos(trackerlist('rts', 'rts50'), 'dv2017_val')

Predicted masks are label images `<segmentation_dir>/<sequence>/<frame>.png`, as `run_tracker.py`
writes them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.image_loader import imread_indexed
from ltr.io.files import write_text
from pytracking.analysis import vos_utils
from pytracking.analysis.tables import generate_formatted_report
from pytracking.evaluation import get_dataset

logger = logging.getLogger(__name__)

MEASURES = {"J": vos_utils.davis_jaccard_measure, "F": vos_utils.davis_f_measure}


def evaluate_vos(
    trackers: Sequence[Any], dataset: str = "yt2019_jjval", force: bool = False, measure: str = "J"
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Evaluate trackers on the data set of that name, print a table in percent, and return the
    numbers behind it.

    Numbers of an earlier evaluation are read from the CSV files in the tracker's `segmentation_dir`
    unless `force`.

    Args:
        measure: 'J' (region similarity) or 'F' (boundary accuracy).

    Returns:
        Per tracker the table over all objects (columns `J-Mean`, `J-Recall`, `J-Decay`), and the
        table of the objects (`Sequence`, which is `<sequence>_<object>`, and the same columns), in
        [0, 1] with 3 decimals.

    """
    if not trackers:
        raise BadValue("evaluate_vos needs at least one tracker")
    sequences = None
    overall, objects, labels = [], [], []
    for tracker in trackers:
        folder = Path(tracker.segmentation_dir)
        files = _csv_files(folder, dataset, measure)
        if force or not all(file.is_file() for file in files):
            sequences = get_dataset(dataset) if sequences is None else sequences
            tables = evaluate_dataset(folder, dataset, measure, sequences=sequences, quiet=True)
        else:
            tables = tuple(pd.read_csv(file) for file in files)
            _warn_when_outdated(folder, files[0])
        overall.append(tables[0])
        objects.append(tables[1])
        run = "" if tracker.run_id is None else f"_{tracker.run_id:03d}"
        labels.append(f"{tracker.name} {tracker.parameter_name}{run}")
    columns = {
        column: [100 * float(table[column].iloc[0]) for table in overall]
        for column in _columns(measure)
    }
    print(generate_formatted_report(labels, columns, table_name=dataset))
    return overall, objects


def evaluate_dataset(
    results_path: str | Path,
    dset_name: str,
    measure: str = "J",
    to_file: bool = True,
    scores: bool = False,
    sequences: Sequence[Any] | None = None,
    quiet: bool = False,
) -> tuple:
    """Evaluate the masks in the folder `results_path` on a data set.

    Args:
        measure: 'J' or 'F'.
        to_file: write `<dset_name>_global_results.csv` and `<dset_name>_per-sequence_results.csv`
            into `results_path` (`<dset_name>_F_…` for F).
        scores: also return the values of the frames.
        sequences: the sequences to evaluate, by default all of the data set.
        quiet: do not print each object's values.

    Returns:
        The two tables (see `evaluate_vos`); with `scores` also `<sequence>_<object>` -> values of
        the counted frames.

    Raises:
        MissingFile: a mask is absent. BadValue: a mask of another size, or a data set without
            masks.

    """
    _checked_measure(measure)
    sequences = get_dataset(dset_name) if sequences is None else sequences
    rows, frames = [], {}
    for seq in sequences:
        result = evaluate_sequence(seq.name, *_read(seq, Path(results_path)), measure)
        for object_id, values in result["raw"].items():
            name = f"{seq.name}_{object_id}"
            rows.append([name, *(result[key][object_id] for key in ("mean", "recall", "decay"))])
            frames[name] = values
            if not quiet:
                print(f"{name}: {measure} {rows[-1][1]:.3f} {vos_utils.text_bargraph(values)}")
    if not rows:
        raise BadValue(
            f"{dset_name}: there is no object to evaluate; choose a data set with annotated masks"
        )
    columns = _columns(measure)
    objects = pd.DataFrame(rows, columns=["Sequence", *columns]).round(3)
    means = [vos_utils.nanmean([row[1 + i] for row in rows]) for i in range(3)]
    overall = pd.DataFrame([means], columns=columns).round(3)
    if to_file:
        for file, table in zip(
            _csv_files(Path(results_path), dset_name, measure), (overall, objects), strict=True
        ):
            write_text(file, table.to_csv(index=False, float_format="%.3f"))
    return (overall, objects, frames) if scores else (overall, objects)


def evaluate_sequence(
    seq_name: str,
    segmentations: Mapping[int, np.ndarray],
    annotations: Mapping[int, np.ndarray],
    object_info: Mapping[str, int],
    measure: str = "J",
) -> dict[str, dict[str, Any]]:
    """Evaluate the masks of one sequence.

    Args:
        segmentations: frame -> predicted (H, W) label image, for all frames of `annotations`.
        annotations: frame -> annotated (H, W) label image.
        object_info: object id (its label) -> first frame. Frames after it and before the last
            annotated one count.
        measure: 'J' or 'F'.

    Returns:
        `mean`, `recall`, `decay` and `raw` (values of the counted frames): each a dict by object
        id.

    """
    score, last = _checked_measure(measure), max(annotations)
    result: dict[str, dict[str, Any]] = {"mean": {}, "recall": {}, "decay": {}, "raw": {}}
    for object_id, first in object_info.items():
        label = int(object_id)
        counted = [frame for frame in sorted(annotations) if first < frame < last]
        try:
            values = [
                score(segmentations[frame] == label, annotations[frame] == label)
                for frame in counted
            ]
        except BadValue as error:
            raise BadValue(f"{error} (sequence '{seq_name}')") from error
        result["raw"][object_id] = values
        for name, statistic in (
            ("mean", vos_utils.nanmean),
            ("recall", vos_utils.recall),
            ("decay", vos_utils.decay),
        ):
            result[name][object_id] = statistic(values)
    return result


def _read(
    seq: Any, folder: Path
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], dict[str, int]]:
    """Segmentations, annotations and first frames of the objects of a sequence; plain sequences
    have the object 1.
    """
    if seq.ground_truth_seg is None:
        raise BadValue(
            f"Sequence '{seq.name}' has no annotated masks; choose a data set of video object "
            "segmentation"
        )
    annotations = {
        frame: mask if isinstance(mask, np.ndarray) else imread_indexed(mask)
        for frame, mask in enumerate(seq.ground_truth_seg)
        if mask is not None
    }
    segmentations = {
        frame: _read_mask(folder / seq.name / f"{Path(seq.frames[frame]).stem}.png", seq.name)
        for frame in annotations
    }
    object_ids = seq.object_ids or ["1"]
    if seq.object_ids is None:
        annotations = {frame: (mask > 0).astype(np.uint8) for frame, mask in annotations.items()}
    if not seq.multiobj_mode:  # the tracker knows of one object only, and writes 0 and 1
        segmentations = {
            frame: (mask > 0) * int(object_ids[0]) for frame, mask in segmentations.items()
        }
    first = {}
    for frame in sorted(seq.init_data, reverse=True):
        for object_id in seq.init_data[frame].get("object_ids") or object_ids:
            first[object_id] = frame
    return (
        segmentations,
        annotations,
        {object_id: first.get(object_id, 0) for object_id in object_ids},
    )


def _read_mask(path: Path, sequence: str) -> np.ndarray:
    if not path.is_file():
        raise MissingFile(
            f"There is no mask {path} - run the tracker on sequence '{sequence}', or correct "
            "segmentation_path in pytracking/evaluation/local.py"
        )
    return imread_indexed(path)


def _checked_measure(measure: str):
    if measure not in MEASURES:
        raise BadValue(
            f"Unknown measure '{measure}'{suggestion(measure, MEASURES)} (choose from "
            f"{', '.join(MEASURES)})"
        )
    return MEASURES[measure]


def _columns(measure: str) -> list[str]:
    _checked_measure(measure)
    return [f"{measure}-{name}" for name in ("Mean", "Recall", "Decay")]


def _csv_files(folder: Path, dataset: str, measure: str) -> tuple[Path, Path]:
    stem = dataset if measure == "J" else f"{dataset}_{measure}"
    return folder / f"{stem}_global_results.csv", folder / f"{stem}_per-sequence_results.csv"


def _warn_when_outdated(folder: Path, table: Path) -> None:
    """Writing a mask changes the time of its folder."""
    newer = [
        path
        for path in folder.iterdir()
        if path.is_dir() and path.stat().st_mtime > table.stat().st_mtime
    ]
    if newer:
        logger.warning(
            "Masks in %s are newer than the stored numbers %s, which are shown; pass force=True "
            "to evaluate "
            "again",
            newer[0],
            table,
        )
