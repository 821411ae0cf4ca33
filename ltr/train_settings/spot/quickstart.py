"""The whole method on the embedded videos in minutes, on two CPU cores: nothing to download or to
configure.
"""

from spot_ext.studies import quickstart
from spot_ext.training.config import CropConfig, OptimConfig, SparseConfig, TeacherConfig


def config() -> SparseConfig:
    """A small TransT and a schedule of minutes instead of days; the method is the published
    recipe's.

    A few hundred iterations leave a teacher whose predicted IoU rarely reaches 0.85, hence the
    lower threshold; one that follows its student closely, as there is no time for a slow one; and
    no repeated pseudo-labels, as a batch made of copies undoes in an epoch what burn-in has
    learned.
    """
    return SparseConfig(
        datasets=(),  # quickstart puts the embedded videos here
        architecture="transt_small",
        crops=CropConfig(template_size=64, search_size=128),
        burn_in_epochs=24,
        epochs=40,
        iterations=25,  # short epochs: each lets exploration reach one frame further
        teacher=TeacherConfig(keep_rate=0.98, interval=1, iou_threshold=0.77, max_repeats=0),
        optim=OptimConfig(lr=1e-3, lr_backbone=1e-3, decay_epoch=24, decay=0.3),
        num_workers=0,
        keep_every=100,
        publish="spot_quickstart",
    )


def run(settings) -> None:
    """Render, train, evaluate, plot."""
    settings.description = "SPOT on the embedded videos"
    quickstart.run(settings, config())
