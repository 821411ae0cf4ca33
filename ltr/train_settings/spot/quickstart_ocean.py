"""The quickstart with Ocean in the place of TransT: the same videos, labels, stages and table."""

from ltr.train_settings.spot import quickstart as transt
from spot_ext import quickstart
from spot_ext.config import SparseConfig


def config() -> SparseConfig:
    """The quickstart's with the small Ocean, its crops, window and optimiser."""
    return transt.config().replace(
        architecture="ocean_small", publish="spot_ocean_quickstart",
        crops={"template_size": 63, "search_size": 127, "center_jitter": 2.0, "scale_jitter": 0.2},
        teacher={"window_weight": 0.30})


def run(settings) -> None:
    """Render, train, evaluate, plot."""
    settings.description = "SPOT with Ocean on the embedded videos"
    quickstart.run(settings, config())
