"""A box budget on the embedded videos: 20 videos with two boxes each, the others with targets that
motion gave away.
"""

from ltr.train_settings.spot import quickstart
from spot_ext.studies import budget_study
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """The quickstart's with a third of its samples: minutes on one core, as the study has dozens of
    runs.

    A teacher of so short a burn-in is less sure still, hence a threshold below the quickstart's.
    """
    return quickstart.config().replace(
        burn_in_epochs=18,
        epochs=30,
        iterations=20,
        batch=16,
        labelled=6,
        unlabelled=10,
        teacher={"iou_threshold": 0.6},
        optim={"decay_epoch": 20},
        keep_checkpoints=1,
        publish=None,
    )


def run(settings) -> None:
    """Render, choose, discover, train, test. The whole study is benchmarks/budget_study.py."""
    settings.description = "budget study on the embedded videos"
    budget_study.run(settings, config())
