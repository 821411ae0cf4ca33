"""The whole method on the embedded videos in minutes, on two CPU cores: nothing to download or to configure."""

from spot_ext import quickstart
from spot_ext.config import CropConfig, SparseConfig


def config() -> SparseConfig:
    """A small TransT and a schedule of minutes; everything else is the published recipe's."""
    return SparseConfig(
        datasets=(),  # quickstart puts the embedded videos here
        architecture="transt_small",
        crops=CropConfig(template_size=64, search_size=128),
        publish="spot_quickstart",
    )


def run(settings) -> None:
    """Render, train, evaluate, plot."""
    settings.description = "SPOT on the embedded videos"
    quickstart.run(settings, config())
