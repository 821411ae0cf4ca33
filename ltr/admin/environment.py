"""Where training data and results lie on this machine: the user's `ltr/admin/local.py`.

The file defines a class `EnvironmentSettings`. The environment variable LTR_LOCAL names another
place for it (an installed package that cannot be written to, several set-ups side by side, tests).
It is written once when it is missing and never again.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from ltr.admin.errors import BadInput, NotConfigured
from ltr.io.files import write_text

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
_loaded: dict[tuple, type] = {}


def local_file() -> Path:
    """Path of the `local.py` in use, whether or not it exists."""
    chosen = os.environ.get(VARIABLE)
    return (
        Path(chosen).expanduser().resolve()
        if chosen
        else Path(__file__).resolve().with_name("local.py")
    )


def default_workspace() -> Path:
    """`workspace` in the checkout; in the home directory when the package is installed
    elsewhere.
    """
    return (
        REPOSITORY if (REPOSITORY / "pyproject.toml").exists() else Path.home() / "spot_tracking"
    ) / "workspace"


def create_default_local_file() -> Path:
    """Write `local.py` with the default settings unless there is one; return its path."""
    path = local_file()
    if path.exists():
        return path
    lines = [
        "class EnvironmentSettings:",
        "    def __init__(self):",
        f"        self.workspace_dir = {str(default_workspace())!r}  # checkpoints and logs of "
        "training runs",
        "        self.tensorboard_dir = self.workspace_dir + '/tensorboard/'",
        "        self.pretrained_networks = self.workspace_dir + '/pretrained_networks/'",
    ]
    lines += [
        f"        self.{name} = ''" + (f"  # {comment}" if comment else "")
        for name, comment in _PATHS
    ]
    try:
        write_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise NotConfigured(
            f"{path} cannot be written ({error.strerror}); set the environment variable "
            f"{VARIABLE} to "
            "a file that can, e.g. ~/ltr_local.py"
        ) from None
    return path


def ensure_local_file() -> None:
    """For scripts: write the default `local.py` when there is none, and say so, so that a fresh
    clone just runs.
    """
    if not local_file().exists():
        print(
            f"Wrote {create_default_local_file()} with default settings; edit it to add data sets."
        )


def env_settings() -> Any:
    """A new `EnvironmentSettings` of `local.py`.

    When the file is missing it is written with defaults and NotConfigured (a RuntimeError) asks to
    look at it; the next call succeeds. An error inside the user's file is shown with file and line,
    and the file stays as it is.
    """
    if not local_file().exists():
        raise NotConfigured(
            f"YOU HAVE NOT SETUP YOUR local.py!!!\n Go to {create_default_local_file()} and set "
            "all "
            "the paths you need. Then try to run again."
        )
    return _construct()


def find_env_settings() -> Any | None:
    """Like `env_settings`, but None when there is no `local.py`; writes nothing."""
    return _construct() if local_file().exists() else None


def _construct() -> Any:
    path = local_file()
    try:
        return _load(path)()
    except BadInput:
        raise
    except Exception as error:
        raise NotConfigured(
            f"{_where(error, path)}; correct the file, it was left as it is"
        ) from error


def _load(path: Path) -> type:
    """The class in the file; executed once a process for each state of the file."""
    state = path.stat()
    key = (str(path), state.st_mtime_ns, state.st_size)
    if key not in _loaded:
        module = ModuleType(MODULE)
        module.__file__ = str(path)
        # Not by an import: the file may have another name, and a cached .pyc may be older than an
        # edit a moment ago.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        if not isinstance(getattr(module, "EnvironmentSettings", None), type):
            raise NotConfigured(
                f"{path} defines no class EnvironmentSettings; rename the file and run again to "
                "get a "
                "default one as an example"
            )
        sys.modules[MODULE] = (
            module  # old checkpoints and `from ltr.admin.local import ...` find the same class
        )
        _loaded[key] = module.EnvironmentSettings
    return _loaded[key]


def _where(error: Exception, path: Path) -> str:
    """`error` as one line that starts with the file and the line to blame."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path} line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path
    ]
    place = f"{path} line {frames[-1].lineno}" if frames else str(path)
    return f"{place}: {type(error).__name__}: {error}"
