"""Opens a trained run to look at its videos. Annotation of the data sets is never read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput
from ltr.admin.loading import load_network
from ltr.data.seeding import generator
from ltr.dataset.base_video_dataset import BaseVideoDataset
from spot_ext.boxes.key_frames import sequence_key
from spot_ext.report.run_folder import Run, config_of, open_run
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import SparseConfig
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.recipe import open_dataset
from spot_ext.training.teacher import Teacher


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run's newest teacher, the store it was saved with, and its videos."""

    folder: Path
    epoch: int
    config: SparseConfig
    teacher: Teacher
    store: PseudoLabelStore
    videos: dict[str, tuple[BaseVideoDataset, int]]  # data set and number, by sequence key

    @classmethod
    def open(cls, folder: Path, device: str = "cpu") -> TrainedRun:
        """Read the newest checkpoint of the run in `folder`, or in its part `spot`.

        BadInput says what is not there.
        """
        run = open_run(Path(folder))
        if run.teacher is None or run.store is None or not run.recipe:
            raise BadInput(
                f"'{run.folder}' is no run of SPOT: it has no {_what_it_lacks(run)}; give the "
                "folder with the checkpoints of one, below checkpoints in workspace_dir of local.py"
            )
        config = config_of(run.recipe)
        architecture = get_architecture(config.architecture, config.reference.targets)
        network = load_network(run.teacher)[0]
        teacher = Teacher(network, architecture, config.teacher.window_weight)
        teacher.net.to(device)
        return cls(run.folder, run.epoch, config, teacher, run.store, _videos(config))

    def read(self, target: int, frame_id: int) -> np.ndarray:
        """Return a frame `(H, W, 3)` of a target's video, uint8 RGB."""
        dataset, seq_id = self.videos[self.store.key_of(target)[0]]
        return dataset.get_frame(seq_id, frame_id)

    def targets(self, videos: int | None = None, seed: int = 0) -> list[int]:
        """Return the numbers of the targets of all videos, or of a random choice of `videos`.

        BadInput names a video that the data sets do not hold any more.
        """
        keys = [self.store.key_of(target)[0] for target in range(len(self.store))]
        self._check_present(keys)
        names = list(dict.fromkeys(keys))
        if videos is not None and videos < len(names):
            drawn = generator(seed, "suggest").choice(len(names), videos, replace=False)
            names = [names[place] for place in sorted(drawn.tolist())]
        chosen = set(names)
        return [target for target, key in enumerate(keys) if key in chosen]

    def _check_present(self, keys: Sequence[str]) -> None:
        missing = [key for key in dict.fromkeys(keys) if key not in self.videos]
        if missing:
            raise BadInput(
                f"{len(missing)} videos of the run in '{self.folder}' are not in its data sets any "
                f"more, e.g. '{missing[0]}'; bring them back to where they were"
            )


def _what_it_lacks(run: Run) -> str:
    if not run.recipe:
        return "recipe in its checkpoint"
    if run.teacher is None:
        return "teacher (*_t.pth.tar)"
    return "pseudo-label store"


def _videos(config: SparseConfig) -> dict[str, tuple[BaseVideoDataset, int]]:
    videos: dict[str, tuple[BaseVideoDataset, int]] = {}
    for part in config.datasets:
        dataset = open_dataset(part)
        for seq_id in range(dataset.get_num_sequences()):
            videos.setdefault(sequence_key(dataset, seq_id), (dataset, seq_id))
    return videos
