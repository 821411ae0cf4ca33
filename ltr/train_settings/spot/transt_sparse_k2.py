"""SP-TransT with 2 boxes per video."""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`transt_sparse` with k = 2."""
    return transt_sparse.config().replace(k=2, publish="spot_transt_k2")


def run(settings) -> None:
    """Train."""
    settings.description = "SP-TransT, 2 labels per video"
    recipe.train(settings, config())
