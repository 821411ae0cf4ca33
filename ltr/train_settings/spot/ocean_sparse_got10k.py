"""SP-Ocean on GOT-10k's training set alone, as its server asks for: 300 epochs, the backbone joins
in epoch 60.
"""

from ltr.train_settings.spot import ocean_sparse, transt_sparse_got10k
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`ocean_sparse` with one data set and the shorter schedule."""
    return ocean_sparse.config().replace(
        datasets=transt_sparse_got10k.config().datasets,
        epochs=300,
        optim={"unfreeze_epoch": 60},
        publish="spot_ocean_got10k",
    )


def run(settings) -> None:
    """Train."""
    settings.description = "SP-Ocean, GOT-10k only"
    recipe.train(settings, config())
