"""SP-Ocean with three boxes per video on LaSOT, GOT-10k and TrackingNet: SPOT on a second tracker
(TIP 2024, table I).
"""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """The published schedule over the data of `transt_sparse`: 350 epochs, 50 of burn-in; the
    backbone joins in epoch 70.
    """
    return transt_sparse.config().replace(
        architecture="ocean",
        epochs=350,
        publish="spot_ocean",
        crops={"template_size": 127, "search_size": 255, "center_jitter": 2.0, "scale_jitter": 0.2},
        teacher={"window_weight": 0.30, "iou_threshold": 0.82},
        optim={
            "method": "sgd",
            "lr": 5e-3,
            "lr_backbone": 5e-4,
            "schedule": "log",
            "unfreeze_epoch": 70,
            "max_grad_norm": 25.0,
        },
    )


def run(settings) -> None:
    """Train; see docs/training.md."""
    settings.description = "SP-Ocean, sparse annotation"
    recipe.train(settings, config())
