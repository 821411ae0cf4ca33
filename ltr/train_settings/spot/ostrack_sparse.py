"""SP-OSTrack with three boxes per video on LaSOT, GOT-10k and TrackingNet: SPOT on a one-stream
vision transformer.
"""

from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import SparseConfig


def config() -> SparseConfig:
    """Return the data and stages of `transt_sparse` with OSTrack's network and optimiser.

    The backbone starts from MAE's weights, `mae_pretrain_vit_base.pth` in `pretrained_networks`.
    `--set network.lora_rank=16` lets low-rank changes of it learn alone, `--set
    network.checkpointing=true` trades a third more time for memory, `--set
    'network.elimination={3:0.7,6:0.7,9:0.7}'` drops search tokens on the way. Clipping at 0.1 and
    the rates are OSTrack's.
    """
    return transt_sparse.config().replace(
        architecture="ostrack",
        network={"backbone_pretrained": True, "drop_path": 0.1},
        epochs=300,
        publish="spot_ostrack",
        optim={"lr": 4e-4, "lr_backbone": 4e-5, "decay_epoch": 240, "max_grad_norm": 0.1},
    )


def run(settings) -> None:
    """Train; see docs/training.md."""
    settings.description = "SP-OSTrack, sparse annotation"
    recipe.train(settings, config())
