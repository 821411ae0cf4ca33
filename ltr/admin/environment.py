"""Where training data and results lie on this machine: the user's `ltr/admin/local.py`.

The file defines a class `EnvironmentSettings`. The environment variable LTR_LOCAL names another
place for it (an installed package that cannot be written to, several set-ups side by side, tests).
It is written once when it is missing and never again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltr.io.local_file import LocalFile

VARIABLE = "LTR_LOCAL"
MODULE = "ltr.admin.local"
REPOSITORY = Path(__file__).resolve().parents[2]
WITHOUT_DATA = (
    "without any data, `python ltr/run_training.py spot quickstart` trains on rendered videos"
)

_PATHS = (  # of data sets, in the order in which the file lists them
    ("pregenerated_masks", ""),
    ("lasot_dir", "LaSOT: the folder of class folders"),
    ("got10k_dir", "GOT-10k: its 'train' folder, which holds list.txt"),
    ("trackingnet_dir", "TrackingNet: the folder that holds TRAIN_0, TRAIN_1, ..."),
    ("coco_dir", "COCO: the folder that holds annotations/ and images/"),
    ("lvis_dir", ""),
    ("sbd_dir", ""),
    ("imagenet_dir", ""),
    ("imagenetdet_dir", ""),
    ("ecssd_dir", ""),
    ("hkuis_dir", ""),
    ("msra10k_dir", ""),
    ("davis_dir", ""),
    ("youtubevos_dir", ""),
    ("lasot_candidate_matching_dataset_path", ""),
    ("davis16_dir", ""),
    ("davis_testdev_dir", ""),
    (
        "folder_dir",
        "your own videos: one sub-folder of images each, see ltr/dataset/video_folder.py",
    ),
    ("data_specs_dir", "split lists, e.g. ltr/data_specs of a pytracking checkout"),
)


def default_workspace() -> Path:
    """`workspace` in the checkout; in the home directory when the package is installed
    elsewhere.
    """
    return (
        REPOSITORY if (REPOSITORY / "pyproject.toml").exists() else Path.home() / "spot_tracking"
    ) / "workspace"


def local_file() -> Path:
    """Return the path of the `local.py` in use, which need not exist."""
    return LOCAL.path()


def create_default_local_file() -> Path:
    """Write `local.py` with the default settings unless there is one; return its path."""
    return LOCAL.create_default()


def ensure_local_file() -> None:
    """Write the default `local.py` when there is none, and say so, so that a fresh clone runs."""
    if not local_file().exists():
        print(
            f"Wrote {create_default_local_file()} with default settings; edit it to add data sets."
        )


def env_settings() -> Any:
    """Return a new `EnvironmentSettings` of `local.py`; see `LocalFile.settings`."""
    return LOCAL.settings()


def find_env_settings() -> Any | None:
    """Return the settings of `local.py`, or None when there is none; nothing is written."""
    return LOCAL.settings() if LOCAL.exists() else None


def _default_text() -> str:
    lines = [
        "class EnvironmentSettings:",
        "    def __init__(self):",
        f"        self.workspace_dir = {str(default_workspace())!r}"
        "  # checkpoints and logs of training runs",
        "        self.tensorboard_dir = self.workspace_dir + '/tensorboard/'",
        "        self.pretrained_networks = self.workspace_dir + '/pretrained_networks/'",
    ]
    for name, comment in _PATHS:
        lines.append(f"        self.{name} = ''" + (f"  # {comment}" if comment else ""))
    return "\n".join(lines) + "\n"


LOCAL = LocalFile(
    VARIABLE,
    Path(__file__).resolve().with_name("local.py"),
    MODULE,
    "EnvironmentSettings",
    _default_text,
)
