"""The light TransT that comes with the package, adapted to a handful of videos with three boxes
each: CPU minutes.

The videos are those in `got10k_dir` of local.py, in GOT-10k's layout; for a folder of your own
there is `python -m spot_ext label`. Other weights to start from: `--set init_from=FILE`.
"""

from ltr.train_settings.spot import transt_light
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig

REHEARSAL = {
    "count": 500,
    "frames": transt_light.FRAMES,
    "sources": ("wheels", "drawn"),
}  # pictures that pip brings


def config() -> SparseConfig:
    """A few epochs at a low rate: what the network knows of other videos must not be lost over
    these.

    Hence half of the samples are of rendered videos, and the backbone stays as it is: statistics of
    batch norms over a handful of videos do not fit any other.
    """
    return transt_light.config().replace(
        datasets=(DatasetConfig("Got10k", {}), DatasetConfig("RenderedVideos", REHEARSAL)),
        init_from="shipped",
        burn_in_epochs=2,
        epochs=8,
        iterations=50,
        batch=16,
        labelled=8,
        unlabelled=8,
        absent_share=0.0,
        teacher={"keep_rate": 0.98, "max_repeats": 0},
        optim={"lr": 1e-5, "lr_backbone": 2e-6, "unfreeze_epoch": 1000, "decay_epoch": 6},
        num_workers=1,
        publish="spot_transt_light_finetuned",
    )


def run(settings) -> None:
    """Train."""
    settings.description = "Light TransT, fine-tuned from three boxes per video"
    recipe.train(settings, config())
