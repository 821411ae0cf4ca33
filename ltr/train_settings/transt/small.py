"""The small TransT with full supervision on one GOT-10k tree, in minutes on two CPU cores.

The tree is `got10k_dir` of local.py; the embedded videos are one too (`python -m spot_ext toy`
renders and names it).
"""

import torch
from torch.optim.lr_scheduler import StepLR

from ltr import actors
from ltr.dataset import Got10k
from ltr.models.tracking.transt import transt_loss, transt_small
from ltr.train_settings.transt import transt
from ltr.trainers import LTRTrainer


def run(settings):
    """Train 40 epochs of 25 batches: the quickstart's schedule, with every box of every video."""
    settings.description = "Small TransT with full supervision"
    settings.batch_size = 32
    settings.precision = "tf32"
    settings.num_workers = 1
    settings.search_sz = 128
    settings.template_sz = 64

    loader = transt.make_loader(settings, [Got10k(split="all")], batches=25)
    net = transt_small()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    trainer = LTRTrainer(
        actors.TranstActor(net, transt_loss(settings)),
        [loader],
        optimizer,
        settings,
        StepLR(optimizer, 24, 0.3),
    )
    trainer.train(40, load_latest=True)
