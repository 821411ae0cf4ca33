"""Suggested frames as JSON, as CSV, as lines to read and as a sheet of pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.io.files import atomic_write, write_text
from spot_ext.propagate.suggestions.choice import Suggestion
from spot_ext.propagate.suggestions.run import TrainedRun

THERE, BACK = (72, 214, 120), (255, 106, 61)  # colours of the two boxes, RGB
THUMB, COLUMNS, LINE = (
    (320, 240),
    4,
    17,
)  # width and height of a picture, pictures in a row, height of a line of text


def as_plain(run: TrainedRun, suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """What the JSON file holds; frames count from 0, boxes are [x, y, w, h] in pixels."""
    return {
        "run": str(run.folder),
        "epoch": run.epoch,
        "suggestions": [
            {
                "video": item.video,
                "frame": item.frame_id,
                "path": item.path,
                "score": round(item.score, 4),
                "reason": item.reason,
                "forward_box": np.round(item.there_xywh, 1).tolist(),
                "backward_box": np.round(item.back_xywh, 1).tolist(),
            }
            for item in suggestions
        ],
    }


def as_csv(suggestions: Sequence[Suggestion]) -> str:
    """The columns video, frame, path, score, reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("video", "frame", "path", "score", "reason"))
    writer.writerows(
        (item.video, item.frame_id, item.path, f"{item.score:.4f}", item.reason)
        for item in suggestions
    )
    return text.getvalue()


def as_text(suggestions: Sequence[Suggestion]) -> str:
    """One line a frame."""
    width = max((len(item.video) for item in suggestions), default=0)
    return "\n".join(
        f"{item.score:.2f}  {item.video:<{width}}  frame {item.frame_id:<5}  {item.reason}"
        for item in suggestions
    )


def write(run: TrainedRun, suggestions: Sequence[Suggestion], folder: Path) -> list[Path]:
    """Write `suggestions.json`, `.csv` and `.png` into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"suggestions.{suffix}" for suffix in ("json", "csv", "png")]
    write_text(files[0], json.dumps(as_plain(run, suggestions), indent=2) + "\n")
    write_text(files[1], as_csv(suggestions))
    with atomic_write(files[2]) as temporary:
        picture = cv2.imencode(".png", cv2.cvtColor(sheet(run, suggestions), cv2.COLOR_RGB2BGR))[1]
        Path(temporary).write_bytes(picture.tobytes())
    return files


def sheet(run: TrainedRun, suggestions: Sequence[Suggestion]) -> np.ndarray:
    """All suggested frames, best first, uint8 RGB: green the box of one way, orange that of the
    other.
    """
    cells = [_cell(run, number, item) for number, item in enumerate(suggestions, 1)]
    blank = np.zeros((THUMB[1] + 2 * LINE, THUMB[0], 3), np.uint8)
    columns = min(COLUMNS, max(1, len(cells)))
    cells += [blank] * (max(1, -(-len(cells) // columns)) * columns - len(cells))
    return np.vstack([np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)])


def _cell(run: TrainedRun, number: int, item: Suggestion) -> np.ndarray:
    image = run.read(run.store.index_of(item.video, item.path), item.frame_id)
    scale = min(THUMB[0] / image.shape[1], THUMB[1] / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[
        : THUMB[1], : THUMB[0]
    ]
    for box, colour in ((item.back_xywh, BACK), (item.there_xywh, THERE)):
        x, y, w, h = np.round(box * scale).astype(int).tolist()
        cv2.rectangle(small, (x, y), (x + w - 1, y + h - 1), colour, 2)
    cell = np.zeros((THUMB[1] + 2 * LINE, THUMB[0], 3), np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small
    for line, text in enumerate(
        (f"{number}: {item.video[-28:]} frame {item.frame_id}", item.reason)
    ):
        cv2.putText(
            cell,
            text,
            (3, THUMB[1] + LINE * line + 12),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.36,
            (235, 235, 235),
            1,
            cv2.LINE_AA,
        )
    return cell
