"""The light Ocean's neck and head on the maps of a backbone that is held still: CPU minutes.

    python ltr/run_training.py spot ocean_light --set data=PICTURES --set init_from=LIGHT

PICTURES: see `spot_ext.rendering.pairs.pictures`. LIGHT: a light network whose backbone has been
trained, for example `pytracking/networks/transt_light.safetensors`.
"""

from pathlib import Path

from spot_ext.training.architectures.cached_heads import HeadConfig, train_heads


def config() -> HeadConfig:
    """Twenty minutes of two CPU cores, after ten for the maps."""
    return HeadConfig()


def run(settings) -> None:
    """Train; the network's file is ocean_light.safetensors in the run's checkpoint folder."""
    folder = Path(settings.env.workspace_dir).expanduser() / "checkpoints" / settings.project_path
    train_heads(config().override(settings.overrides), folder, settings.seed)
