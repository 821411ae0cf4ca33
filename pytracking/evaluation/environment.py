"""Where data sets, networks and results lie on this machine: the user's `local.py`.

The file is `pytracking/evaluation/local.py`, or the one the environment variable `PYTRACKING_LOCAL`
names (an installed package that cannot be written to, several set-ups side by side, tests). It is
written once when missing, never again.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ltr.admin.environment import default_workspace
from ltr.admin.errors import BadInput, MissingFile, NotConfigured
from ltr.io.files import write_text
from pytracking.utils import plugins

VARIABLE = "PYTRACKING_LOCAL"
MODULE = "pytracking.evaluation.local"
PACKAGE = Path(__file__).resolve().parents[1]

_log = logging.getLogger(__name__)
_loaded: dict[tuple, ModuleType] = {}

_HEADER = """from pytracking.evaluation.environment import EnvSettings


def local_env_settings():
    settings = EnvSettings()

    # Set your local paths here.

"""
_COMMENTS = {
    "results_path": "Where to store tracking results.",
    "network_path": "Where tracking networks are stored; may be a list of folders.",
    "folder_path": "A folder of videos (sub-folders of images) for --dataset_name folder.",
    "toy_path": "The videos that `spot quickstart` renders.",
    "plugins": "Folders with own trackers, parameters, experiments, data sets.",
    "dataspec_path": "ltr/data_specs of a pytracking checkout: its split lists and attribute "
    "tables.",
    "got_packed_results_path": "Where to write archives for the GOT-10k server.",
    "tn_packed_results_path": "Where to write archives for the TrackingNet server.",
}


class EnvSettings:
    """Default settings; `local.py` changes the ones it needs. An empty path means: not on this
    machine.
    """

    def __init__(self):
        self.results_path = f"{PACKAGE}/tracking_results/"
        self.segmentation_path = f"{PACKAGE}/segmentation_results/"
        self.network_path = f"{PACKAGE}/networks/"
        self.result_plot_path = f"{PACKAGE}/result_plots/"
        self.toy_path = str(default_workspace() / "toy")
        for name in (
            "folder_path",
            "plugins",
            "otb_path",
            "nfs_path",
            "uav_path",
            "tpl_path",
            "vot_path",
            "got10k_path",
            "lasot_path",
            "lasot_extension_subset_path",
            "trackingnet_path",
            "oxuva_path",
            "avist_path",
            "lagot_path",
            "mobiface_path",
            "davis_dir",
            "youtubevos_dir",
            "dataspec_path",
            "got10k_mask_path",
            "trackingnet_mask_path",
            "lasot_mask_path",
            "got_packed_results_path",
            "got_reports_path",
            "tn_packed_results_path",
        ):
            setattr(self, name, "")


def local_file() -> Path:
    """Path of the `local.py` in use, whether or not it exists."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser().resolve() if chosen else PACKAGE / "evaluation" / "local.py"


def create_default_local_file() -> Path:
    """Write `local.py` with the default settings unless there is one; return its path."""
    path = local_file()
    if path.exists():
        return path
    lines = []
    for name, value in sorted(vars(EnvSettings()).items()):
        comment = f"    # {_COMMENTS[name]}" if name in _COMMENTS else ""
        lines.append(f"    settings.{name} = {value!r}{comment}\n")
    try:
        write_text(path, _HEADER + "".join(lines) + "\n    return settings\n")
    except OSError as error:
        raise NotConfigured(
            f"{path} cannot be written ({error.strerror}) - set the environment variable "
            f"{VARIABLE} to "
            "a file that can, e.g. ~/pytracking_local.py"
        ) from None
    importlib.invalidate_caches()
    return path


def ensure_local_file() -> None:
    """For scripts: write the default `local.py` when there is none, so that a fresh clone runs
    without set-up.
    """
    if not _is_there():
        _log.info(
            "wrote default settings to %s - edit it to add data sets", create_default_local_file()
        )


def env_settings() -> EnvSettings:
    """The settings of `local.py`.

    When the file is missing it is written with defaults and NotConfigured (a RuntimeError) asks to
    look at it; the next call succeeds. An error inside the user's file is shown with file and line,
    and the file stays as it is.
    """
    if not _is_there():
        path = create_default_local_file()
        raise NotConfigured(
            f"YOU HAVE NOT SETUP YOUR local.py!!!\n Go to {path} and set all the paths you need. "
            "Then try to run again."
        )
    path = local_file()
    try:
        module = _load(path)
        if not hasattr(module, "local_env_settings"):
            raise BadInput(
                f"{path} defines no local_env_settings() - see the file that a fresh clone writes"
            )
        settings = module.local_env_settings()
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{where(error, path)} - correct the file; it was left as it is") from error
    if settings is None:
        raise BadInput(
            f"{path}: local_env_settings() returns nothing - end it with `return settings`"
        )
    plugins.activate(getattr(settings, "plugins", "") or ())
    return settings


def required_folder(settings: object, attribute: str, dataset: str) -> str:
    """Folder `settings.<attribute>` of a data set; NotConfigured or MissingFile in one sentence
    when not usable.
    """
    folder = getattr(settings, attribute, "")
    if attribute == "toy_path":
        remedy = "`python ltr/run_training.py spot quickstart` renders the toy videos there"
    elif attribute == "folder_path":
        remedy = "point it at a folder whose sub-folders hold the images of one video each"
    elif attribute.endswith("_mask_path"):
        remedy = "point it at the folder of first-frame masks, <sequence>/<first frame>.png"
    else:
        remedy = (
            "point it at the data set; without data, `python ltr/run_training.py spot quickstart` "
            "and then "
            "`--dataset_name toy` run on rendered videos"
        )
    if not folder:
        raise NotConfigured(f"{dataset}: {attribute} is not set in {local_file()} - {remedy}")
    if not os.path.isdir(folder):
        raise MissingFile(
            f"{dataset}: {attribute} in {local_file()} is '{folder}', which is no folder - {remedy}"
        )
    return os.fspath(folder)


def where(error: BaseException, file: Path) -> str:
    """`error` as one line that starts with `file` and the line of it that is to blame."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or file} line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file
    ]
    place = f"{file} line {frames[-1].lineno}" if frames else str(file)
    return f"{place}: {type(error).__name__}: {error}"


def _is_there() -> bool:
    return local_file().exists() or (VARIABLE not in os.environ and MODULE in sys.modules)


def _load(path: Path) -> ModuleType:
    """The user's file as a module: imported under its usual name, or by path when
    `PYTRACKING_LOCAL` names it.
    """
    if VARIABLE not in os.environ:
        return importlib.import_module(MODULE)
    state = path.stat()
    key = (path, state.st_mtime_ns, state.st_size)
    if key not in _loaded:
        module = ModuleType(MODULE)
        module.__file__ = str(path)
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        _loaded[key] = module
    return _loaded[key]
