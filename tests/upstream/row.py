"""One row of `python -m tests.upstream`, in a process of its own."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import cv2
import numpy as np

REPO = Path(__file__).resolve().parents[2]
FRAMES = 8

TRAINING_LOCAL = """
class EnvironmentSettings:
    workspace_dir = tensorboard_dir = {root!r}

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return {root!r}
"""
EVALUATION_LOCAL = """
from pytracking.evaluation.environment import EnvSettings

def local_env_settings():
    settings = EnvSettings()
    settings.results_path = settings.network_path = {root!r}
    return settings
"""


def main(checkout: str, kind: str, module: str, name: str) -> None:
    """Run the row; an exception is its failure."""
    with tempfile.TemporaryDirectory() as root:
        for variable, text in (
            ("LTR_LOCAL", TRAINING_LOCAL),
            ("PYTRACKING_LOCAL", EVALUATION_LOCAL),
        ):
            file = Path(root, f"{variable.lower()}.py")
            file.write_text(text.format(root=root))
            os.environ[variable] = str(file)
        if kind == "recipe":
            import_recipe(checkout, module, name)
        else:
            boxes = track(Path(root), module, name)
            if boxes.shape != (FRAMES, 4) or not np.isfinite(boxes).all():
                raise ValueError(f"the boxes are not {FRAMES} finite rows: {boxes.tolist()}")


def import_recipe(checkout: str, module: str, name: str) -> None:
    """Import a recipe of the checkout."""
    from ltr.recipes import find_recipe

    file = Path(find_recipe(module, name).__file__ or "")
    if Path(checkout) not in file.parents:
        raise ValueError(f"'{file}' was imported instead of the checkout's recipe")


def track(root: Path, tracker: str, parameters: str) -> np.ndarray:
    """Return the boxes of 8 frames; networks are made where the tracker looks for them."""
    import torch

    from pytracking.evaluation import Tracker
    from pytracking.utils import loading
    from tests.upstream.networks import write_network

    find_file = loading.network_candidates

    def find_or_make(net_path):
        path = root / Path(net_path).name
        if not path.exists():
            write_network(path)
        return find_file(path.name)

    loading.network_candidates = find_or_make
    torch.manual_seed(0)
    np.random.seed(0)
    output = Tracker(tracker, parameters).run_sequence(sequence(root), debug=0)
    return np.asarray(output["target_bbox"], dtype=float)


def sequence(root: Path):
    """Return the first frames of a real sequence; those of a moving disc where there is none."""
    from pytracking.evaluation.data import Sequence

    shared = Path(os.environ.get("SPOT_SHARED", REPO.parent / "shared"))
    folder = shared / "data" / "got10k" / "val" / "GOT-10k_Val_000001"
    if not folder.is_dir():
        folder = draw_disc(root / "disc")
    frames = [str(file) for file in sorted(folder.glob("*.jpg"))[:FRAMES]]
    boxes = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[:FRAMES]
    return Sequence("first", frames, "got10k", boxes)


def draw_disc(folder: Path) -> Path:
    """Write frames of a disc that moves over noise, in GOT-10k's layout."""
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 128, (240, 320, 3), np.uint8)
    boxes = []
    for index in range(FRAMES):
        center = (100 + 6 * index, 120)
        image = cv2.circle(noise.copy(), center, 25, (40, 200, 240), thickness=-1)
        cv2.imwrite(str(folder / f"{index + 1:08d}.jpg"), image)
        boxes.append([center[0] - 25, center[1] - 25, 51, 51])
    np.savetxt(folder / "groundtruth.txt", boxes, delimiter=",")
    return folder


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name} line {last.lineno}"
        print(f"{type(error).__name__}: {' '.join(str(error).split())} ({place})", file=sys.stderr)
        sys.exit(1)
