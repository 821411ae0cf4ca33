"""Speed and memory, each next to its rival in the same run.

`python -m benchmarks` runs all that fits the machine.
"""

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]

# Studies of accuracy keep their trainings here unless --out names another folder.
WORKSPACE = REPO / "workspace"
