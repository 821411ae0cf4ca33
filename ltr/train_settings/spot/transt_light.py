"""The light TransT from three boxes per video, on videos rendered from photographs that packages
ship: CPU hours.

Needs the extra `render` and the Debian packages of the picture sources (`python -m spot_ext scenes`
says which); leave out of `SOURCES` what cannot be had.
"""

from spot_ext.training import recipe
from spot_ext.training.config import (
    CropConfig,
    DatasetConfig,
    OptimConfig,
    SparseConfig,
    TeacherConfig,
)

TEMPLATE, SEARCH = 113, 225  # crop sides in pixels, as the network wants them
SOURCES = ("wheels", "tuxpaint", "wallpapers", "drawn")
VIDEOS, FRAMES = 6000, (60, 100)


def config() -> SparseConfig:
    """Two stages in a schedule for two cores; the backbone's layers to stride 8 keep their ImageNet
    weights.

    Thousands of short videos rather than few long ones: a video costs nothing here, and every one
    shows another target.
    """
    return SparseConfig(
        datasets=(
            DatasetConfig(
                "RenderedVideos", {"count": VIDEOS, "frames": FRAMES, "sources": SOURCES}
            ),
        ),
        k=3,
        architecture="transt_light",
        network={
            "template_sz": TEMPLATE,
            "search_sz": SEARCH,
            "backbone_pretrained": True,
            "frozen_backbone_layers": ("stem", "stage1", "stage2", "stage3"),
        },
        crops=CropConfig(template_size=TEMPLATE, search_size=SEARCH),
        burn_in_epochs=18,
        epochs=28,
        iterations=100,
        batch=32,
        labelled=18,
        unlabelled=12,
        absent_share=0.12,
        teacher=TeacherConfig(keep_rate=0.99, interval=1, iou_threshold=0.7, max_repeats=0),
        optim=OptimConfig(
            lr=5e-4, lr_backbone=1e-4, unfreeze_epoch=4, decay_epoch=26, max_grad_norm=1.0
        ),
        num_workers=2,
        frame_cache_mb=64,
        publish="spot_transt_light",
    )


def run(settings) -> None:
    """Train."""
    settings.description = "Light TransT, sparse annotation, rendered videos"
    recipe.train(settings, config())
