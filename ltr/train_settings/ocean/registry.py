"""Ocean as a fully supervised baseline, under the name that `<module> <name>` callers expect."""

from __future__ import annotations

from ltr.io.registry import Line
from ltr.train_settings.spot import registry as spot

LINES: dict[str, Line] = {"ocean": spot.LINES["ocean_full"]}
