"""The VOT interface from 2020 on: rectangles, polygons and masks over TraX, and depth or infrared
channels.
"""

from __future__ import annotations

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.installing import install_command
from pytracking.evaluation import vot
from pytracking.evaluation.vot import (
    Point,
    Polygon,
    Rectangle,
    convert_region,
    encode_region,
    parse_region,
)
from pytracking.evaluation.vot_regions import Region, make_full_size

__all__ = [
    "VOT",
    "Point",
    "Polygon",
    "Rectangle",
    "convert_region",
    "encode_region",
    "make_full_size",
    "parse_region",
]

CHANNELS = {None: ("color",), "rgbd": ("color", "depth"), "rgbt": ("color", "ir"), "ir": ("ir",)}


class VOT(vot.VOT):
    """A conversation with the toolkit about targets given as 'rectangle', 'polygon' or 'mask'.

    Args:
        channels: images per frame: None for colour, 'rgbd' or 'rgbt' for colour and depth or
            infrared, or 'ir'.
        several_starts: as for `vot.VOT`.

    """

    formats = ("rectangle", "polygon", "mask")

    def __init__(
        self, region_format: str, channels: str | None = None, several_starts: bool = False
    ):
        if channels not in CHANNELS:
            raise BadValue(f"VOT: unknown channels '{channels}', use None, rgbd, rgbt or ir")
        if not vot._has_trax():
            raise BadInput(f"VOT 2020 needs the package trax: {install_command('vot')}")
        self._open(region_format, channels=CHANNELS[channels], several_starts=several_starts)

    def region(self) -> Region:
        """The target, on the first frame. A mask (H, W) may end where the target does; see
        `make_full_size`.
        """
        region = self._session.region
        return region if self._format == "mask" else convert_region(region, self._format)

    # One path where there is one channel, as the base class promises.
    def frame(self) -> str | list[str] | None:  # type: ignore[override]
        """Path of the next frame's image, with several channels a list of paths, first the start's;
        None at the end.
        """
        images = self._session.frame()
        return images[0] if images is not None and len(images) == 1 else images
