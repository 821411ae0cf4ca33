"""The networks that come with the package."""

from pathlib import Path

# The light TransT; `transt_light.md` beside it describes it.
LIGHT_NETWORK = Path(__file__).resolve().parents[1] / "networks" / "transt_light.safetensors"
