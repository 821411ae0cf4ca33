"""Learns neck and head of a light Ocean on maps that its backbone computed before."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion
from ltr.io import checkpoint
from ltr.models.loss.ocean_light_criterion import ocean_light_losses
from ltr.models.tracking.ocean_light import DEEP, DETAIL, OceanLight, ocean_light
from spot_ext.rendering.pairs.pictures import read_bank
from spot_ext.training.architectures.cached_maps import MapBatches, write_maps

log = logging.getLogger(__name__)

WARM_UP = 100  # iterations in which the rate grows
LEAST_RATE = 0.03  # of the rate, at the end
MAX_GRAD_NORM = 5.0
LOG_EVERY, SAVE_EVERY = 50, 300  # iterations


@dataclass(frozen=True)
class HeadConfig:
    """Settings of `train_heads`."""

    data: str = ""  # folder of pictures, see `spot_ext.rendering.pairs.pictures`
    init_from: str = ""  # light TransT or Ocean whose backbone is taken; '': ImageNet weights
    groups: int = 15264  # of two templates and three search crops, 0.9 MB each
    boxes_per_video: int = 5
    iterations: int = 1100
    batch: int = 64
    lr: float = 1.5e-3
    weight_decay: float = 1e-4
    ema: float = 0.998  # higher averages the weights over more iterations
    precision: str = "bf16"  # of the backbone that computes maps

    def override(self, overrides: dict[str, str]) -> HeadConfig:
        """Return the settings with some replaced; values are text."""
        types: dict[str, Any] = {name: type(value) for name, value in asdict(self).items()}
        for name in overrides:
            if name not in types:
                raise BadValue(
                    f"--set {name}: there is no such setting{suggestion(name, types)}; choose "
                    f"among {', '.join(types)}"
                )
        return replace(self, **{name: types[name](text) for name, text in overrides.items()})


def train_heads(config: HeadConfig, folder: Path, seed: int) -> Path:
    """Write the maps, train, and return the network's file; both go on where they were stopped."""
    net = new_network(config)
    bank = read_bank(Path(config.data).expanduser(), config.boxes_per_video)
    write_maps(net, bank, config.groups, folder / "maps", seed, config.precision)
    del bank
    batches = MapBatches(folder / "maps", seed)
    run = HeadRun(config, net, folder)
    run.train(batches)
    path = folder / "ocean_light.safetensors"
    content = {"net": run.average.state_dict(), "constructor": net.constructor}
    checkpoint.write_checkpoint(path, {**content, "net_info": net.info})
    return path


def new_network(config: HeadConfig) -> OceanLight:
    """Return a network with a trained backbone, which is held still."""
    net = ocean_light(backbone_pretrained=not config.init_from)
    if config.init_from:
        weights = checkpoint.read_checkpoint(Path(config.init_from).expanduser())["net"]
        own = net.backbone.state_dict()
        for start in ("backbone.0.body.", "backbone."):
            if all(f"{start}{name}" in weights for name in own):
                net.backbone.load_state_dict({name: weights[f"{start}{name}"] for name in own})
                break
        else:
            raise BadValue(
                f"'{config.init_from}' holds no EfficientNet-Lite0 to stage5; give a light TransT "
                "or Ocean"
            )
    net.backbone.requires_grad_(False)
    return net.to(memory_format=torch.channels_last)


class HeadRun:
    """The network, the average of its weights, the optimiser and the iterations done."""

    def __init__(self, config: HeadConfig, net: OceanLight, folder: Path):
        self.config, self.net = config, net
        self.path = folder / "run.pth.tar"
        self.average = ocean_light().to(memory_format=torch.channels_last).requires_grad_(False)
        self.average.load_state_dict(net.state_dict())
        self.learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learned, lr=config.lr, weight_decay=config.weight_decay
        )
        self.iteration = 0
        if self.path.is_file():
            self._load()

    def train(self, batches: MapBatches) -> None:
        """Train to the last iteration."""
        start, first = time.monotonic(), self.iteration
        for batch in batches.batches(self.config.batch, first):
            if self.iteration >= self.config.iterations:
                break
            losses = self.step(batch)
            self.iteration += 1
            if self.iteration % LOG_EVERY == 0:
                pairs = (self.iteration - first) * self.config.batch
                speed = pairs / (time.monotonic() - start)
                text = ", ".join(f"{name} {float(value):.3f}" for name, value in losses.items())
                log.info("iteration %d: %s; %.0f pairs/s", self.iteration, text, speed)
            if self.iteration % SAVE_EVERY == 0:
                self._save()
        self._save()
        self.average.eval()

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Learn one batch of maps; returns its losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * self.rate()
        self.net.train()
        self.net.backbone.eval()
        templates, searches = (
            {name: batch[f"{view}_{name}"] for name in (DETAIL, DEEP)}
            for view in ("templates", "searches")
        )
        outputs = self.net.match_maps(self.net.template_cells(templates), searches)
        losses = ocean_light_losses(outputs, batch["boxes"], batch["present"])
        self.optimizer.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(self.learned, MAX_GRAD_NORM)
        self.optimizer.step()
        self._average()
        return losses

    def rate(self) -> float:
        """Return the share of the learning rate: a linear start, then a cosine."""
        warm = min(1.0, (self.iteration + 1) / WARM_UP)
        cosine = 0.5 * (1 + math.cos(math.pi * self.iteration / self.config.iterations))
        return warm * (LEAST_RATE + (1 - LEAST_RATE) * cosine)

    @torch.no_grad()
    def _average(self) -> None:
        # The first weights are soon forgotten.
        decay = min(self.config.ema, (1 + self.iteration) / (20 + self.iteration))
        own = self.net.state_dict()
        for name, value in self.average.state_dict().items():
            if not name.startswith("backbone.") and value.dtype.is_floating_point:
                value.lerp_(own[name], 1 - decay)

    def _save(self) -> None:
        content = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "iteration": self.iteration,
        }
        checkpoint.write_checkpoint(self.path, content)

    def _load(self) -> None:
        content = checkpoint.read_checkpoint(self.path)
        self.net.load_state_dict(content["net"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.iteration = int(content["iteration"])
