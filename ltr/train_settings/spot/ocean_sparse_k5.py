"""SP-Ocean with 5 boxes per video."""

from ltr.train_settings.spot import ocean_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`ocean_sparse` with k = 5."""
    return ocean_sparse.config().replace(k=5, publish="spot_ocean_k5")


def run(settings) -> None:
    """Train."""
    settings.description = "SP-Ocean, 5 labels per video"
    recipe.train(settings, config())
