"""Recipes that change a few values of another recipe: one line each.

`python ltr/run_training.py spot transt_sparse_k5` runs the line of that name. A new variant is a
new line; a recipe with steps of its own is a file.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ltr.admin.settings import Settings
from ltr.io.registry import Line
from ltr.train_settings.spot import ocean_sparse, ostrack_sparse, transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig

GOT10K_ONLY = (DatasetConfig("Got10k", {"split": "all"}),)


def variant(base: ModuleType, description: str, **changes: Any) -> Line:
    """Return the recipe `base` with `changes`, which are those of `SparseConfig.replace`."""

    def config() -> SparseConfig:
        return base.config().replace(**changes)

    def run(settings: Settings) -> None:
        settings.description = description
        recipe.train(settings, config())

    def contents() -> dict[str, Any]:
        return {"config": config, "run": run, "__doc__": f"{description}."}

    return contents


def labels_per_video(base: ModuleType, title: str, k: int) -> Line:
    """Return the recipe `base` with `k` boxes per video, its network named after `k`."""
    return variant(
        base, f"{title}, {k} labels per video", k=k, publish=f"{base.config().publish}_k{k}"
    )


LINES: dict[str, Line] = {
    "transt_sparse_k2": labels_per_video(transt_sparse, "SP-TransT", k=2),
    "transt_sparse_k5": labels_per_video(transt_sparse, "SP-TransT", k=5),
    "ocean_sparse_k2": labels_per_video(ocean_sparse, "SP-Ocean", k=2),
    "ocean_sparse_k5": labels_per_video(ocean_sparse, "SP-Ocean", k=5),
    "ostrack_sparse_k2": labels_per_video(ostrack_sparse, "SP-OSTrack", k=2),
    "ostrack_sparse_k5": labels_per_video(ostrack_sparse, "SP-OSTrack", k=5),
}
# Full supervision: the same data, draws, augmentation and schedule, with all labels and without
# unlabelled frames. It shows what the sparse recipe would reach if every frame were labelled.
LINES["transt_full"] = variant(
    transt_sparse,
    "TransT with all labels, as SP-TransT is trained",
    k=None,
    unlabelled=0,
    publish="spot_transt_full",
)
LINES["ocean_full"] = variant(
    ocean_sparse,
    "Ocean with all labels, as SP-Ocean is trained",
    k=None,
    unlabelled=0,
    publish="ocean",
)
LINES["ostrack_sparse_full"] = variant(
    ostrack_sparse,
    "OSTrack with all labels, as SP-OSTrack is trained",
    k=None,
    unlabelled=0,
    publish="spot_ostrack_full",
)
# GOT-10k's server asks for trackers that saw its training set alone: one data set, a shorter
# schedule, and the rate drops or the backbone joins earlier in it.
LINES["transt_sparse_got10k"] = variant(
    transt_sparse,
    "SP-TransT, GOT-10k only",
    datasets=GOT10K_ONLY,
    epochs=350,
    optim={"decay_epoch": 250},
    publish="spot_transt_got10k",
)
LINES["ocean_sparse_got10k"] = variant(
    ocean_sparse,
    "SP-Ocean, GOT-10k only",
    datasets=GOT10K_ONLY,
    epochs=300,
    optim={"unfreeze_epoch": 60},
    publish="spot_ocean_got10k",
)
LINES["ostrack_sparse_got10k"] = variant(
    ostrack_sparse,
    "SP-OSTrack, GOT-10k only",
    datasets=GOT10K_ONLY,
    epochs=100,
    optim={"decay_epoch": 80},
    publish="spot_ostrack_got10k",
)
