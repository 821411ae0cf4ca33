"""TransT with full supervision: every annotated frame is used. The baseline to compare sparse
training with.

Published recipe: TransT (Chen et al., CVPR 2021), its training section. It also draws a quarter of
its samples from COCO images, which this recipe does without.
"""

from typing import Any

import torch
from torch.optim.lr_scheduler import StepLR

import ltr.data.transforms as tfm
from ltr import actors
from ltr.data import LTRLoader, processing, sampler
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.dataset import Got10k, Lasot, TrackingNet
from ltr.models.tracking.transt import transt_loss, transt_resnet50
from ltr.trainers import LTRTrainer


def run(settings):
    """Train 1000 epochs of 1000 batches, on one GPU where there is one."""
    settings.description = "TransT with full supervision, published settings without COCO"
    settings.batch_size = 38
    settings.precision = "tf32"
    settings.num_workers = 4
    settings.search_sz = 256
    settings.template_sz = 128
    settings.position_embedding = "sine"
    settings.hidden_dim = 256
    settings.dropout = 0.1
    settings.nheads = 8
    settings.dim_feedforward = 2048
    settings.featurefusion_layers = 4
    settings.backbone_pretrained = True

    # First of all, so that a missing data set shows at once.
    datasets = [Lasot(split="train"), Got10k(split="vottrain"), TrackingNet(set_ids=range(4))]
    loader = make_loader(settings, datasets, batches=1000)
    net = transt_resnet50(settings)
    backbone = [p for name, p in net.named_parameters() if "backbone" in name and p.requires_grad]
    others = [p for name, p in net.named_parameters() if "backbone" not in name and p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": backbone, "lr": 1e-5}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, weight_decay=1e-4)

    trainer = LTRTrainer(
        actors.TranstActor(net, transt_loss(settings)),
        [loader],
        optimizer,
        settings,
        StepLR(optimizer, 500),
    )
    trainer.train(1000, load_latest=True, fail_safe=True)


def make_loader(settings, datasets, batches):
    """Pairs of frames at most 100 apart, cropped and jittered as TransT's, `batches` an epoch."""
    settings.normalize_mean = IMAGENET_MEAN
    settings.normalize_std = IMAGENET_STD
    settings.search_area_factor = 4.0
    settings.template_area_factor = 2.0
    settings.center_jitter_factor = {"search": 3, "template": 0}
    settings.scale_jitter_factor = {"search": 0.25, "template": 0}
    joint = tfm.Transform(tfm.ToGrayscale(probability=0.05))
    single = tfm.Transform(
        tfm.ToTensorAndJitter(0.2), tfm.Normalize(settings.normalize_mean, settings.normalize_std)
    )
    crops = processing.TransTProcessing(
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
        max_gap=100,
        processing=crops,
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
