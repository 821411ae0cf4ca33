"""Files that checks need: a store, a data set of annotations without images, settings; all in
temporary folders.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from ltr.admin.settings import Settings
from spot_ext.boxes.labels import SequenceTrack, labelled_track
from spot_ext.training.pseudo_labels import PseudoLabelStore


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="golden_") as folder:
        yield Path(folder)


@contextlib.contextmanager
def temporary_store(names: Sequence[str], length: int = 200) -> Iterator[PseudoLabelStore]:
    """A store of one path a name, with a label in frame 0."""
    with temporary_folder() as folder:
        track, boxes = labelled_track((0,)), np.ones((1, 4))
        tracks = [SequenceTrack.labelled(name, 0, track, boxes, length) for name in names]
        yield PseudoLabelStore.create(folder, tracks)


@contextlib.contextmanager
def temporary_settings(project_path: str) -> Iterator[Settings]:
    """Training settings whose local.py and workspace are temporary; the user's local.py is not
    touched.
    """
    with temporary_folder() as folder:
        (folder / "local.py").write_text(
            "class EnvironmentSettings:\n"
            "    def __init__(self):\n"
            f"        self.workspace_dir = {str(folder / 'workspace')!r}\n"
            "        self.tensorboard_dir = self.workspace_dir + '/tensorboard'\n"
            "        self.pretrained_networks = self.workspace_dir + '/pretrained_networks'\n"
        )
        with mock.patch.dict(os.environ, LTR_LOCAL=str(folder / "local.py")):
            settings = Settings()
            settings.project_path, settings.device = project_path, "cpu"
            yield settings


def write_annotations(root: Path, videos: int = 2, frames: int = 24) -> Path:
    """A GOT-10k tree without images."""
    names = [f"video_{number}" for number in range(videos)]
    for name in names:
        (root / name).mkdir(parents=True)
        (root / name / "groundtruth.txt").write_text("10,10,20,20\n" * frames)
        for label, value in (("absence", 0), ("cover", 8), ("cut_by_image", 0)):
            (root / name / f"{label}.label").write_text(f"{value}\n" * frames)
        (root / name / "meta_info.ini").write_text("[METAINFO]\n")
    (root / "list.txt").write_text("\n".join(names) + "\n")
    return root
