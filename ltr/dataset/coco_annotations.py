"""Annotation files in COCO's JSON format (COCO, LVIS), read once and kept as memory-mapped arrays.

The JSON of COCO's training set (half a gigabyte of text) becomes many times as much in Python
objects, in every process that loads it. Here it is read once; the arrays lie in the workspace and
are shared by all loader workers. Neither pycocotools nor lvis is needed, except for masks in COCO's
compressed run lengths, which the instance files of COCO and LVIS do not hold.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.installing import install_command
from ltr.dataset.sequence_index import index_file, stamps_of
from ltr.io.array_file import open_arrays, write_arrays

log = logging.getLogger(__name__)

_FORMAT = 1


class CocoAnnotations:
    """The annotations of one file: arrays by annotation (A), image (I) and class.

    `ids` (A,), `image_of` (A,), `class_of` (A,) index into `class_names`, `boxes_xywh` (A, 4)
    float32, `areas` (A,), `crowd` (A,); `image_sizes` (I, 2) height, width.
    """

    def __init__(self, file: Path, what: str):
        if not file.is_file():
            raise MissingFile(
                f"{what}: there is no {file}; get this annotation file or correct the split"
            )
        self.file = file
        self._cache = index_file(file.stem, file)
        self._what = what
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "_cache": self._cache, "_what": self._what}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        stamp = stamps_of([[self.file]])[0].tolist()
        arrays: Any = None
        info: Any = None
        if self._cache is not None and self._cache.is_file():
            try:
                arrays, info = open_arrays(self._cache, verify=True)
            except BadInput as error:
                log.warning("%s; it is made anew", error)
        if info is None or (info.get("format"), info.get("stamp")) != (_FORMAT, stamp):
            log.info(
                "%s: reading %s, once%s",
                self._what,
                self.file,
                f"; kept in {self._cache}" if self._cache else "",
            )
            arrays, info = _parse(self.file)
            if self._cache is not None:
                try:
                    write_arrays(self._cache, arrays, {**info, "format": _FORMAT, "stamp": stamp})
                    arrays, info = open_arrays(self._cache)
                except OSError as error:
                    log.warning(
                        "%s: %s cannot be written (%s)", self._what, self._cache, error.strerror
                    )
        self.class_names: list[str] = info["classes"]
        self.ids, self.image_of, self.class_of = (
            arrays["ids"],
            arrays["image_of"],
            arrays["class_of"],
        )
        self.boxes_xywh, self.areas, self.crowd = arrays["boxes"], arrays["areas"], arrays["crowd"]
        self.image_sizes = arrays["image_sizes"]
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self.ids)

    def image_name(self, row: int) -> str:
        """File name of an annotation's image, with its folder where the file gives one."""
        image, starts = self.image_of[row], self._arrays["name_starts"]
        return self._arrays["names"][starts[image] : starts[image + 1]].tobytes().decode()

    def mask(self, row: int) -> np.ndarray:
        """Mask (H, W) uint8, 0 and 1, of an annotation.

        A polygon covers the pixels whose centre lies in it; pycocotools differs in some pixels of
        the edge.
        """
        height, width = self.image_sizes[self.image_of[row]].tolist()
        mask = np.zeros((height, width), np.uint8)
        rings, starts, points = (
            self._arrays[name] for name in ("ring_starts", "point_starts", "points")
        )
        for ring in range(rings[row], rings[row + 1]):
            mask |= fill_polygon(
                points[starts[ring] : starts[ring + 1]].reshape(-1, 2), height, width
            )
        runs = self._arrays["runs"][
            self._arrays["run_starts"][row] : self._arrays["run_starts"][row + 1]
        ]
        if len(runs):
            flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
            mask |= flat[: mask.size].reshape(width, height).T  # runs go down the columns
        return mask


def fill_polygon(xy: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mask (H, W) uint8 of the pixels whose centre (x + 0.5, y + 0.5) lies in the polygon xy (P,
    2), by the even-odd rule.

    OpenCV's fillPoly would add every pixel that the edge touches: half a pixel all around.
    """
    x1, y1 = xy.T.astype(np.float64)
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    centres = np.arange(height) + 0.5
    edge, row = np.nonzero((y1[:, None] <= centres) != (y2[:, None] <= centres))
    crossing = x1[edge] + (centres[row] - y1[edge]) * (x2[edge] - x1[edge]) / (y2[edge] - y1[edge])
    changes = np.zeros((height, width + 1), np.uint8)
    np.add.at(changes, (row, np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)), 1)
    return np.cumsum(changes[:, :width], 1, dtype=np.uint8) & 1  # overflow keeps the parity


def _parse(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        images, annotations, classes = (
            content["images"],
            content["annotations"],
            content["categories"],
        )
        image_at = {image["id"]: i for i, image in enumerate(images)}
        class_at = {category["id"]: i for i, category in enumerate(classes)}
        names = [_name(image).encode() for image in images]
        return {
            "ids": np.array([a["id"] for a in annotations], np.int64),
            "image_of": np.array([image_at[a["image_id"]] for a in annotations], np.int32),
            "class_of": np.array([class_at[a["category_id"]] for a in annotations], np.int32),
            "boxes": np.array([a["bbox"] for a in annotations], np.float32).reshape(-1, 4),
            "areas": np.array([a["area"] for a in annotations], np.float32),
            "crowd": np.array([a.get("iscrowd", 0) for a in annotations], np.uint8),
            "image_sizes": np.array(
                [(image["height"], image["width"]) for image in images], np.int32
            ).reshape(-1, 2),
            "names": np.frombuffer(b"".join(names), np.uint8),
            "name_starts": _starts(len(name) for name in names),
            **_pack_masks([a.get("segmentation") or [] for a in annotations]),
        }, {"classes": [c["name"] for c in classes]}
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadValue(
            f"{file} is no annotation file in COCO's format ({error!r}); get it again"
        ) from error


def _name(image: Mapping[str, Any]) -> str:
    """`file_name` as COCO has it; LVIS 1 has an address instead, of which the folder and the file
    matter.
    """
    return (
        image["file_name"]
        if image.get("file_name")
        else "/".join(image["coco_url"].split("/")[-2:])
    )


def _pack_masks(masks: list) -> dict[str, np.ndarray]:
    """Polygons as points of rings of annotations, run lengths as runs of annotations."""
    rings = [
        np.asarray(ring, np.float32) for mask in masks if isinstance(mask, list) for ring in mask
    ]
    runs = [_runs(mask) for mask in masks]
    return {
        "ring_starts": _starts(len(mask) if isinstance(mask, list) else 0 for mask in masks),
        "point_starts": _starts(len(ring) for ring in rings),
        "points": np.concatenate([np.empty(0, np.float32), *rings]),
        "run_starts": _starts(len(run) for run in runs),
        "runs": np.concatenate([np.empty(0, np.int32), *runs]),
    }


def _runs(mask: list | Mapping[str, Any]) -> np.ndarray:
    """Run lengths of a mask: zeros first, down the columns."""
    if isinstance(mask, list):
        return np.empty(0, np.int32)
    if isinstance(mask["counts"], list):
        return np.array(mask["counts"], np.int32)
    try:
        from pycocotools.mask import decode
    except ImportError:
        raise BadInput(
            "compressed masks in COCO's format need the package pycocotools: "
            f"{install_command('coco')}"
        ) from None
    flat = decode({**mask, "counts": mask["counts"].encode()}).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
    return np.diff([0, *changes, flat.size]).astype(np.int32)


def _starts(lengths: Iterable[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int64)
