"""The VOT interface under the name that trackers outside pytracking import: `from vot import VOT, Rectangle`."""

from pytracking.evaluation.vot import (
    VOT,
    Point,
    Polygon,
    Rectangle,
    convert_region,
    encode_region,
    parse_region,
)

__all__ = ["VOT", "Point", "Polygon", "Rectangle", "convert_region", "encode_region", "parse_region"]
