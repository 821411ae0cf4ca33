"""Ocean with full supervision in SPOT's code: what `ocean_sparse` would reach if every frame were
labelled.
"""

from ltr.train_settings.spot import ocean_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`ocean_sparse` with all labels and without unlabelled frames: same data, draws, augmentation
    and schedule.
    """
    return ocean_sparse.config().replace(k=None, unlabelled=0, publish="ocean")


def run(settings) -> None:
    """Train."""
    settings.description = "Ocean with all labels, as SP-Ocean is trained"
    recipe.train(settings, config())
