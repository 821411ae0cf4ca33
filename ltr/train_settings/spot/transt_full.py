"""TransT with full supervision in SPOT's code: what `transt_sparse` would reach if every frame were
labelled.
"""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """`transt_sparse` with all labels and without unlabelled frames: same data, draws, augmentation
    and schedule.
    """
    return transt_sparse.config().replace(k=None, unlabelled=0, publish="spot_transt_full")


def run(settings) -> None:
    """Train."""
    settings.description = "TransT with all labels, as SP-TransT is trained"
    recipe.train(settings, config())
