"""Two ways to talk with a VOT toolkit: the TraX protocol, and the text files of the first
challenges.

Both give a start region, then one frame after the other, and want one region for each frame. The
frame the target is given on counts as answered with that region.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.installing import install_command
from ltr.io.files import write_text
from pytracking.evaluation.vot_regions import (
    NO_TARGET,
    Region,
    encode_region,
    from_trax,
    parse_region,
    to_trax,
)

NOT_REPORTED = "VOT: report() was not called for the last frame - call it once after each frame()"


class TraxSession:
    """The tracker's side of a TraX conversation over standard input and output, or the socket
    TRAX_SOCKET.

    Args:
        region_format: 'rectangle', 'polygon' or 'mask'; the client converts its regions to it.
        channels: what images to ask for: 'color', 'depth', 'ir'.
        several_starts: say that targets may be given one after the other (`next_start`). Otherwise
            the toolkit starts the tracker anew for each one, and pays for loading the network every
            time.

    The constructor returns when the first target was given: `region`.

    """

    def __init__(
        self, region_format: str, channels: Sequence[str] = ("color",), several_starts: bool = False
    ):
        if sys.stdin is not None and sys.stdin.isatty() and "TRAX_SOCKET" not in os.environ:
            raise BadInput(
                "VOT: the tracker is started by the VOT toolkit, which talks to it over standard "
                "input, not from "
                "a terminal - see docs/vot.md for the lines in trackers.ini, then `vot evaluate`"
            )
        from trax import TraxException
        from trax.server import Server

        self._broken = TraxException
        self._server = Server(
            [region_format],
            ["path"],
            list(channels),
            tracker_name="pytracking",
            metadata={} if several_starts else {"vot": "python"},
        )
        self.region: Region = NO_TARGET
        self._images: list[str] | None = None  # of a request that `frame` has not given out yet
        self._start_waits = False  # a target was given that `next_start` has not announced yet
        self._unanswered = False
        self._default_answer: Region | None = None
        self._ended = False
        self._wait()
        if not self.next_start():
            raise BadInput("VOT: the client ended the conversation before it gave a target")

    def next_start(self) -> bool:
        """Say whether another target was given after `frame` returned None; it is then `region`."""
        started, self._start_waits = self._start_waits, False
        return started

    def frame(self) -> list[str] | None:
        """Paths of the next frame's images, one for each channel; None when this target needs no
        more.
        """
        if self._images is None and not self._ended:
            if self._unanswered:
                if self._default_answer is None:
                    raise BadInput(NOT_REPORTED)
                self.report(self._default_answer, 1.0)
            self._wait()
        if self._start_waits:
            return None
        images, self._images = self._images, None
        return images

    def report(self, region: Region, confidence: float) -> None:
        """Answer for the last frame."""
        self._server.status([(to_trax(region), {"confidence": float(confidence)})])
        self._unanswered, self._default_answer = False, None

    def quit(self, reason: str | None = None) -> None:
        """End the conversation; the toolkit shows `reason` as its error."""
        server, self._server = getattr(self, "_server", None), None
        if server is not None:
            server.quit(reason)

    def _wait(self) -> None:
        """Read the client's next request."""
        try:
            request = self._server.wait()
        except self._broken as error:
            raise BadInput(f"VOT: the client broke off the conversation ({error})") from None
        self._ended = request.type == "quit"
        if self._ended:
            return
        self._images = [image.path() for image in request.image.values()]
        self._unanswered = True
        if request.type == "initialize":
            if len(request.objects) != 1:
                raise BadValue(
                    f"VOT: the client gave {len(request.objects)} targets at once, this tracker "
                    "takes one"
                )
            self.region = self._default_answer = from_trax(request.objects[0][0])
            self._start_waits = True


class FileSession:
    """The files of the first VOT toolkits in `folder`: reads `images.txt` and `region.txt`, writes
    `output.txt` on `quit`.
    """

    def __init__(self, folder: str | os.PathLike = "."):
        self._folder = Path(folder).absolute()
        self._images = self._read("images.txt")
        regions = self._read("region.txt")
        if not self._images or not regions:
            raise BadValue(
                f"VOT: images.txt or region.txt in {self._folder} is empty - write a path per "
                "frame into the one "
                "and the start region into the other"
            )
        self.region: Region = parse_region(regions[0])
        self._results: list[Region] = []
        self._given = 0  # frames that `frame` has returned
        self._written = False

    def _read(self, name: str) -> list[str]:
        path = self._folder / name
        if not path.is_file():
            raise MissingFile(
                f"VOT: no {name} in {self._folder} - install the TraX protocol, "
                f"`{install_command('vot')}`, or write images.txt and region.txt there"
            )
        return [
            line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        ]

    def next_start(self) -> bool:
        """Files hold one target."""
        return False

    def frame(self) -> list[str] | None:
        """Path of the next frame, in a list; None after the last."""
        if self._given > len(self._results):
            if self._given > 1:
                raise BadInput(NOT_REPORTED)
            self._results.append(self.region)
        if self._given == len(self._images):
            return None
        self._given += 1
        return [self._images[self._given - 1]]

    def report(self, region: Region, confidence: float) -> None:
        """Answer for the last frame; the files have no place for `confidence`."""
        self._results.append(region)

    def quit(self, reason: str | None = None) -> None:
        """Write `output.txt`, a region per frame; not after an error, which is what `reason`
        says.
        """
        if reason is None and not self._written:
            self._written = True
            write_text(
                self._folder / "output.txt",
                "".join(f"{encode_region(region)}\n" for region in self._results),
            )
