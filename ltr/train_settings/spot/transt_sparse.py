"""SP-TransT with three boxes per video on LaSOT, GOT-10k and TrackingNet: SPOT's main result (TIP
2024, table I).
"""

from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig


def config() -> SparseConfig:
    """The published schedule: 50 epochs of burn-in, 400 in all, 1000 iterations of 32 samples
    each.
    """
    return SparseConfig(
        k=3,
        architecture="transt",
        datasets=(
            DatasetConfig("Lasot", {"split": "train"}),
            DatasetConfig("Got10k", {"split": "vottrain"}),
            DatasetConfig("TrackingNet", {"set_ids": [0, 1, 2, 3]}, walk_back=True),
        ),
        network={"backbone_pretrained": True},
        publish="spot_transt",
    )


def run(settings) -> None:
    """Train; see docs/training.md."""
    settings.description = "SP-TransT, sparse annotation"
    recipe.train(settings, config())
