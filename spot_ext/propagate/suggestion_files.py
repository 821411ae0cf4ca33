"""Suggested frames as files, as lines to read and as a sheet of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.io.files import atomic_write
from spot_ext.boxes.frame_request import FrameRequest, plain, write_csv, write_json
from spot_ext.propagate.suggest import BACKWARD, FORWARD
from spot_ext.propagate.trained_run import TrainedRun

# Colours of the boxes, RGB; the later one is drawn on top.
BOX_COLOURS = {BACKWARD: (255, 106, 61), FORWARD: (72, 214, 120)}
TEXT_COLOUR = (235, 235, 235)
# Pixels: the sides of a picture, and the height of a line of text below it.
PICTURE_WIDTH = 320
PICTURE_HEIGHT = 240
LINE_HEIGHT = 17
PICTURES_IN_A_ROW = 4
# Characters of a video's name that fit below its picture.
NAME_LENGTH = 28


def as_plain(run: TrainedRun, requests: Sequence[FrameRequest]) -> dict[str, Any]:
    """Return the content of the JSON file; frames count from 0, boxes are x, y, w, h in pixels."""
    return plain(requests, _about(run))


def as_text(requests: Sequence[FrameRequest]) -> str:
    """Return one line for each frame."""
    width = max((len(item.video) for item in requests), default=0)
    return "\n".join(
        f"{item.score:.2f}  {item.video:<{width}}  frame {item.frame_id:<5}  {item.reason}"
        for item in requests
    )


def write(run: TrainedRun, requests: Sequence[FrameRequest], folder: Path) -> list[Path]:
    """Write `suggestions.json`, `.csv` and `.png` into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    json_file, csv_file, picture_file = (
        folder / f"suggestions.{suffix}" for suffix in ("json", "csv", "png")
    )
    write_json(json_file, requests, _about(run))
    write_csv(csv_file, requests)
    bgr = cv2.cvtColor(sheet(run, requests), cv2.COLOR_RGB2BGR)
    with atomic_write(picture_file) as temporary:
        Path(temporary).write_bytes(cv2.imencode(".png", bgr)[1].tobytes())
    return [json_file, csv_file, picture_file]


def sheet(run: TrainedRun, requests: Sequence[FrameRequest]) -> np.ndarray:
    """Return all suggested frames on one picture, best first, uint8 RGB.

    The box of the walk from before is green, that from behind orange.
    """
    cells = [_cell(run, number, item) for number, item in enumerate(requests, 1)]
    columns = min(PICTURES_IN_A_ROW, max(1, len(cells)))
    rows = max(1, -(-len(cells) // columns))
    cells += [_blank_cell()] * (rows * columns - len(cells))
    return np.vstack([np.hstack(cells[row * columns : (row + 1) * columns]) for row in range(rows)])


def _about(run: TrainedRun) -> dict[str, Any]:
    return {"run": str(run.folder), "epoch": run.epoch}


def _blank_cell() -> np.ndarray:
    return np.zeros((PICTURE_HEIGHT + 2 * LINE_HEIGHT, PICTURE_WIDTH, 3), np.uint8)


def _cell(run: TrainedRun, number: int, item: FrameRequest) -> np.ndarray:
    target = run.store.index_of(item.video, int(item.object_id) - 1)
    image = run.read(target, item.frame_id)
    scale = min(PICTURE_WIDTH / image.shape[1], PICTURE_HEIGHT / image.shape[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # Rounding may make the picture a pixel too large.
    small = small[:PICTURE_HEIGHT, :PICTURE_WIDTH]
    for name, colour in BOX_COLOURS.items():
        x, y, w, h = np.round(np.array(item.boxes_xywh[name]) * scale).astype(int).tolist()
        cv2.rectangle(small, (x, y), (x + w - 1, y + h - 1), colour, 2)
    cell = _blank_cell()
    cell[: small.shape[0], : small.shape[1]] = small
    title = f"{number}: {item.video[-NAME_LENGTH:]} frame {item.frame_id}"
    for line, text in enumerate((title, item.reason)):
        origin = (3, PICTURE_HEIGHT + LINE_HEIGHT * line + 12)
        cv2.putText(cell, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.36, TEXT_COLOUR, 1, cv2.LINE_AA)
    return cell
