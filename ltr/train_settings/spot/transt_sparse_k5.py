"""SP-TransT with 5 boxes per video."""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`transt_sparse` with k = 5."""
    return transt_sparse.config().replace(k=5, publish="spot_transt_k5")


def run(settings) -> None:
    """Train."""
    settings.description = "SP-TransT, 5 labels per video"
    recipe.train(settings, config())
