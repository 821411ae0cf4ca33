"""The networks that come with the package."""

from pathlib import Path

_NETWORKS = Path(__file__).resolve().parents[1] / "networks"
# The light TransT; `transt_light.md` beside it describes it.
LIGHT_NETWORK = _NETWORKS / "transt_light.safetensors"
# The light Ocean; `ocean_light.md` beside it describes it.
OCEAN_LIGHT_NETWORK = _NETWORKS / "ocean_light.safetensors"
