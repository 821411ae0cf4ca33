"""SP-TransT on GOT-10k's training set alone, as its server asks for: 350 epochs, the rate drops
after 250.
"""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig


def config() -> SparseConfig:
    """`transt_sparse` with one data set and the shorter schedule."""
    return transt_sparse.config().replace(
        datasets=(DatasetConfig("Got10k", {"split": "all"}),),
        epochs=350,
        optim={"decay_epoch": 250},
        publish="spot_transt_got10k",
    )


def run(settings) -> None:
    """Train."""
    settings.description = "SP-TransT, GOT-10k only"
    recipe.train(settings, config())
