"""The VOT interface up to 2019, rectangles and polygons: over TraX, or with text files where trax
is not installed.

    with VOT("polygon") as vot:
        box = convert_region(vot.region(), "rectangle")
        start(vot.frame(), box)
        while (image_file := vot.frame()) is not None:
            vot.report(follow(image_file))
"""

from __future__ import annotations

import importlib.util
from typing import Any

from ltr.admin.errors import BadValue
from pytracking.evaluation.vot_regions import (
    Point,
    Polygon,
    Rectangle,
    Region,
    convert_region,
    encode_region,
    parse_region,
)
from pytracking.evaluation.vot_sessions import FileSession, TraxSession

__all__ = [
    "VOT",
    "Point",
    "Polygon",
    "Rectangle",
    "convert_region",
    "encode_region",
    "parse_region",
]


class VOT:
    """A conversation with the toolkit about targets given as 'rectangle' or 'polygon'.

    Without the trax package, `images.txt` and `region.txt` in the current folder are read and
    `output.txt` is written.

    Args:
        several_starts: targets may be given one after the other: when `frame` returns None,
            `next_start` says whether one follows. Otherwise the toolkit starts a new process for
            each.

    """

    formats: tuple[str, ...] = ("rectangle", "polygon")

    def __init__(self, region_format: str, several_starts: bool = False):
        self._open(region_format, several_starts=several_starts)

    def _open(self, region_format: str, **trax_options: Any) -> None:
        if region_format not in self.formats:
            raise BadValue(
                f"VOT: unknown region format '{region_format}', use {' or '.join(self.formats)}"
            )
        self._format = region_format
        self._session = TraxSession(region_format, **trax_options) if _has_trax() else FileSession()

    def region(self) -> Region:
        """The target, on the first frame."""
        return convert_region(self._session.region, self._format)

    def frame(self) -> str | None:
        """Path of the next frame's image, first that of the start; None at the end."""
        images = self._session.frame()
        return None if images is None else images[0]

    def report(self, region: Region, confidence: float = 0) -> None:
        """The target on the frame that `frame` gave last, and how sure the tracker is. Not needed
        for the start frame.
        """
        self._session.report(region, confidence)

    def next_start(self) -> bool:
        """Say whether another target was given, which `region` then returns."""
        return self._session.next_start()

    def quit(self, reason: str | None = None) -> None:
        """End the conversation. After a `reason` the toolkit takes the run as failed and shows
        it.
        """
        session = self.__dict__.pop("_session", None)
        if session is not None:
            session.quit(reason)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self.quit(None if error is None else f"{kind.__name__}: {error}")

    def __del__(self) -> None:
        self.quit()  # the scripts of the challenges' participants do not call it


def _has_trax() -> bool:
    try:
        return importlib.util.find_spec("trax.server") is not None
    except (ModuleNotFoundError, ValueError):  # ValueError: sys.modules holds None for it
        return False
