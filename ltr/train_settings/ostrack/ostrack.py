"""OSTrack with full supervision: every annotated frame is used.

Published recipe: OSTrack (Ye et al., ECCV 2022, section 4.1). It starts from MAE's ViT-B,
`mae_pretrain_vit_base.pth` in `pretrained_networks` of local.py.
"""

from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import StepLR

import ltr.data.transforms as tfm
from ltr.actors.ostrack import OSTrackActor
from ltr.data import LTRLoader, sampler
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.data.processing.tracking import OSTrackProcessing
from ltr.dataset import Got10k, Lasot, MSCOCOSeq, TrackingNet
from ltr.models.loss.ostrack_criterion import OSTrackCriterion
from ltr.models.tracking.ostrack import PUBLISHED_ELIMINATION, ostrack
from ltr.trainers import LTRTrainer

MAE_FILE = "mae_pretrain_vit_base.pth"
# Samples of an epoch, and of the whole batch of 4 GPUs.
EPOCH_SAMPLES = 60_000
BATCH = 128
# Elimination begins gently: from all tokens to the final share between these epochs.
ELIMINATION_START = 20
ELIMINATION_END = 100
ELIMINATION_END_GOT10K = 70


def run(
    settings,
    large: bool = False,
    eliminate: bool = False,
    got10k: bool = False,
    epochs: int = 300,
):
    """Train `epochs` epochs; the rates fall to a tenth after four fifths of them.

    `large` takes crops of 192 and 384 px in the place of 128 and 256, `eliminate` drops search
    tokens on the way, `got10k` trains on GOT-10k alone.
    """
    settings.description = "OSTrack with full supervision, published settings"
    settings.batch_size = BATCH
    settings.num_workers = 10
    settings.precision = "tf32"
    settings.grad_clip_max_norm = 0.1
    settings.template_sz, settings.search_sz = (192, 384) if large else (128, 256)
    if eliminate:
        settings.elimination_start = ELIMINATION_START
        settings.elimination_end = ELIMINATION_END_GOT10K if got10k else ELIMINATION_END

    # First of all, so that a missing data set shows at once.
    datasets = [Got10k(split="all")] if got10k else published_datasets()
    loader = make_loader(settings, datasets, EPOCH_SAMPLES // BATCH)
    net = ostrack(
        settings.template_sz,
        settings.search_sz,
        elimination=PUBLISHED_ELIMINATION if eliminate else None,
        drop_path=0.1,
        backbone_weights=str(Path(settings.env.pretrained_networks).expanduser() / MAE_FILE),
    )
    named = list(net.named_parameters())
    head = [p for name, p in named if not name.startswith("backbone.")]
    backbone = [p for name, p in named if name.startswith("backbone.")]
    groups: list[dict[str, Any]] = [{"params": head}, {"params": backbone, "lr": 4e-5}]
    optimizer = torch.optim.AdamW(groups, lr=4e-4, weight_decay=1e-4)
    trainer = LTRTrainer(
        OSTrackActor(net, OSTrackCriterion()),
        [loader],
        optimizer,
        settings,
        StepLR(optimizer, epochs * 4 // 5),
    )
    trainer.train(epochs, load_latest=True, fail_safe=True)


def published_datasets() -> list:
    """Return LaSOT, GOT-10k, COCO and TrackingNet, each drawn as often."""
    return [
        Lasot(split="train"),
        Got10k(split="vottrain"),
        MSCOCOSeq(version="2017"),
        TrackingNet(),
    ]


def make_loader(settings, datasets, batches: int):
    """Return pairs of frames at most 200 apart, cropped and jittered as OSTrack's, `batches` an
    epoch.
    """
    settings.normalize_mean = IMAGENET_MEAN
    settings.normalize_std = IMAGENET_STD
    is_large = settings.search_sz >= 384
    settings.search_area_factor = 5.0 if is_large else 4.0
    settings.template_area_factor = 2.0
    settings.center_jitter_factor = {"search": 4.5 if is_large else 3, "template": 0}
    settings.scale_jitter_factor = {"search": 0.5 if is_large else 0.25, "template": 0}
    joint = tfm.Transform(
        tfm.ToGrayscale(probability=0.05), tfm.RandomHorizontalFlip(probability=0.5)
    )
    single = tfm.Transform(
        tfm.ToTensorAndJitter(0.2),
        # Template and search region are flipped on their own, too.
        tfm.RandomHorizontalFlip(probability=0.5),
        tfm.Normalize(settings.normalize_mean, settings.normalize_std),
    )
    crops = OSTrackProcessing(
        search_area_factor=settings.search_area_factor,
        template_area_factor=settings.template_area_factor,
        search_sz=settings.search_sz,
        temp_sz=settings.template_sz,
        center_jitter_factor=settings.center_jitter_factor,
        scale_jitter_factor=settings.scale_jitter_factor,
        transform=single,
        joint_transform=joint,
    )
    samples = sampler.TransTSampler(
        datasets,
        p_datasets=[1] * len(datasets),
        samples_per_epoch=batches * settings.batch_size,
        max_gap=200,
        processing=crops,
        frame_sample_mode="causal",
    )
    return LTRLoader(
        "train",
        samples,
        batch_size=settings.batch_size,
        num_workers=settings.num_workers,
        shuffle=True,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
    )
