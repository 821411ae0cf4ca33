"""The distance from full supervision: the quickstart's table with a row that was trained with every
box of every video.
"""

from ltr.train_settings.spot import quickstart as sparse
from spot_ext.studies import quickstart
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """The quickstart's, which the row with all labels shares but for its labels."""
    return sparse.config()


def run(settings) -> None:
    """Train what the quickstart has not trained yet, then with all labels; evaluate, plot."""
    settings.description = "SPOT and full supervision on the embedded videos"
    quickstart.run(settings, config(), full=True)
