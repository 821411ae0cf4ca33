"""Makes `tests.golden` importable for a bare `pytest`, as `python -m` does by itself."""

import sys
from pathlib import Path

REPO = str(Path(__file__).resolve().parents[2])
if REPO not in sys.path:
    sys.path.insert(0, REPO)
