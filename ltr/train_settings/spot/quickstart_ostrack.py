"""The quickstart with OSTrack in the place of TransT: the same videos, labels, stages and table."""

from ltr.train_settings.spot import quickstart as transt
from spot_ext.studies import quickstart
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """Return the quickstart's with the small OSTrack."""
    return transt.config().replace(
        architecture="ostrack_small",
        publish="spot_ostrack_quickstart",
    )


def run(settings) -> None:
    """Render, train, evaluate, plot."""
    settings.description = "SPOT with OSTrack on the embedded videos"
    quickstart.run(settings, config())
