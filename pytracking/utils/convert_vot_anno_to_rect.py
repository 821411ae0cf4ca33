"""VOT annotations (polygons) as boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltr.admin.errors import BadValue


def convert_vot_anno_to_rect(vot_anno: Sequence[float], type: str) -> list[float]:
    """The box `[x, y, w, h]` of a VOT annotation; 4 numbers are a box already and come back as they
    are.

    `type` 'union': the hull of the corners. `type` 'preserve_area' (4 corners): centred on their
    mean, the hull's shape with the area of the rotated rectangle, plus 1 px per side as VOT's own
    conversion has it.
    """
    if len(vot_anno) == 4:
        return list(vot_anno)
    corners = np.asarray(vot_anno, dtype=np.float64).reshape(-1, 2)
    low, high = corners.min(axis=0), corners.max(axis=0)
    if type == "union":
        return [*low.tolist(), *(high - low).tolist()]
    if type != "preserve_area":
        raise BadValue(
            f"VOT annotation: unknown conversion '{type}', use 'union' or 'preserve_area'"
        )
    if len(corners) != 4:
        raise BadValue(
            f"VOT annotation: 'preserve_area' needs 8 numbers (4 corners), got {len(vot_anno)}"
        )
    area = np.linalg.norm(corners[0] - corners[1]) * np.linalg.norm(corners[1] - corners[2])
    size = np.sqrt(area / np.prod(high - low)) * (high - low) + 1
    return [*(corners.mean(axis=0) - size / 2).tolist(), *size.tolist()]
