"""Groups of crops, seen once by a backbone that is held still: its maps on disk, to learn heads on.

The backbone is three quarters of a light network's training time. Maps are kept in 16 bits: 0.3 MB
for a search crop and its share of templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.io.files import atomic_write
from ltr.models.tracking.ocean_light import OceanLight
from spot_ext.rendering.pairs.groups import Group, draw_group
from spot_ext.rendering.pairs.pictures import PictureBank

CHUNK = 16  # groups that the backbone sees at once
# Of pairs, whose template shows another target: the score learns to be low everywhere.
ABSENT_SHARE = 0.06
DONE = "done.txt"


def images(crops: np.ndarray) -> Tensor:
    """Return uint8 crops (B, S, S, 3) as (B, 3, S, S) in ImageNet's normalisation."""
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255 - mean) / std


def write_maps(
    net: OceanLight, bank: PictureBank, count: int, folder: Path, seed: int, precision: str
) -> None:
    """Draw groups and write the maps of `net.backbone`, going on where it was stopped.

    `precision` 'bf16' halves the time on CPUs that multiply it. `count` is rounded up to chunks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net.eval()
    chunks = -(-count // CHUNK)
    for chunk in range(_done(folder), chunks):
        rng = np.random.default_rng([seed, chunk])
        groups = [draw_group(bank, rng) for _ in range(CHUNK)]
        maps = _maps_of(net, groups, precision)
        with atomic_write(folder / f"{chunk:05d}.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **maps)
        with atomic_write(folder / DONE) as temporary:
            temporary.write_text(str(chunk + 1), encoding="utf-8")


def _done(folder: Path) -> int:
    path = folder / DONE
    return int(path.read_text(encoding="utf-8")) if path.is_file() else 0


@torch.no_grad()
def _maps_of(net: OceanLight, groups: list[Group], precision: str) -> dict[str, np.ndarray]:
    arrays = {"boxes": np.stack([group.boxes_xywh for group in groups]).astype(np.float32)}
    for view in ("templates", "searches"):
        crops = np.stack([getattr(group, view) for group in groups])
        flat = images(crops.reshape(-1, *crops.shape[2:]))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            maps = net.backbone(flat.contiguous(memory_format=torch.channels_last))
        for name, value in maps.items():
            half = value.half().numpy()
            arrays[f"{view}_{name}"] = half.reshape(*crops.shape[:2], *half.shape[1:])
    return arrays


class MapBatches:
    """Batches of pairs drawn from the maps in `folder`, which stay in memory."""

    def __init__(self, folder: Path, seed: int):
        self.seed = seed
        chunks = [dict(np.load(path)) for path in sorted(folder.glob("*.npz"))]
        self.arrays = {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.arrays["boxes"])

    def batches(self, size: int, first: int = 0) -> Iterator[dict[str, Tensor]]:
        """Yield batch number `first` and all after it; the same for a seed."""
        number = first
        while True:
            yield self._batch(size, np.random.default_rng([self.seed, number]))
            number += 1

    def _batch(self, size: int, rng: np.random.Generator) -> dict[str, Tensor]:
        group = rng.integers(len(self), size=size)
        absent = rng.random(size) < ABSENT_SHARE
        of_template = np.where(absent, rng.integers(len(self), size=size), group)
        # The same group may be drawn again, and then the target is there.
        present = of_template == group
        batch = {"present": torch.from_numpy(present)}
        columns = {"templates": of_template, "searches": group, "boxes": group}
        counts = {"templates": 2, "searches": 3, "boxes": 3}
        crops = {"templates": rng.integers(counts["templates"], size=size)}
        crops["searches"] = crops["boxes"] = rng.integers(counts["searches"], size=size)
        for name, array in self.arrays.items():
            view = name.split("_")[0]
            batch[name] = torch.from_numpy(array[columns[view], crops[view]]).float()
        return batch
