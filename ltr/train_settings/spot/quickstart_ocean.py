"""The quickstart with Ocean in the place of TransT: the same videos, labels, stages and table."""

from ltr.train_settings.spot import quickstart as transt
from spot_ext.studies import quickstart
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """The quickstart's with the small Ocean, its crops and window.

    Its IoU head learns faster than TransT's and trusts itself earlier: hence the higher threshold.
    And it still gains from labels when the sparse stage begins: hence half of the samples labelled.
    """
    return transt.config().replace(
        architecture="ocean_small",
        publish="spot_ocean_quickstart",
        crops={"template_size": 63, "search_size": 127, "center_jitter": 2.0, "scale_jitter": 0.2},
        labelled=16,
        unlabelled=16,
        teacher={"window_weight": 0.30, "iou_threshold": 0.85},
    )


def run(settings) -> None:
    """Render, train, evaluate, plot."""
    settings.description = "SPOT with Ocean on the embedded videos"
    quickstart.run(settings, config())
