"""OSTrack's published variants: one line each."""

from __future__ import annotations

from ltr.io.registry import Line, calling

BASE = "ltr.train_settings.ostrack.ostrack"

LINES: dict[str, Line] = {
    "ostrack_ce": calling(BASE, "run", "OSTrack 256 with candidate elimination.", eliminate=True),
    "ostrack384_ce": calling(
        BASE, "run", "OSTrack 384 with candidate elimination.", large=True, eliminate=True
    ),
    "ostrack_got10k": calling(
        BASE, "run", "OSTrack 256, GOT-10k only.", eliminate=True, got10k=True, epochs=100
    ),
}
