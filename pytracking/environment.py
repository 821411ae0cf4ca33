"""Where data sets, networks and results lie on this machine: the user's `local.py`.

The file is `pytracking/evaluation/local.py`, or the one the environment variable `PYTRACKING_LOCAL`
names (an installed package that cannot be written to, several set-ups side by side, tests). It is
written once when missing, never again.
"""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path

from ltr.admin.environment import default_workspace
from ltr.admin.errors import MissingFile, NotConfigured
from ltr.io.local_file import LocalFile

VARIABLE = "PYTRACKING_LOCAL"
MODULE = "pytracking.evaluation.local"
PACKAGE = Path(__file__).resolve().parent

_log = logging.getLogger(__name__)
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


_OWN_PATHS = (
    "results_path",
    "segmentation_path",
    "network_path",
    "result_plot_path",
    "dataspec_path",
    "got_reports_path",
)


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
        self.folder_path = ""
        self.plugins = ""
        self.otb_path = ""
        self.nfs_path = ""
        self.uav_path = ""
        self.tpl_path = ""
        self.vot_path = ""
        self.got10k_path = ""
        self.lasot_path = ""
        self.lasot_extension_subset_path = ""
        self.trackingnet_path = ""
        self.oxuva_path = ""
        self.avist_path = ""
        self.lagot_path = ""
        self.mobiface_path = ""
        self.davis_dir = ""
        self.youtubevos_dir = ""
        self.dataspec_path = ""
        self.got10k_mask_path = ""
        self.trackingnet_mask_path = ""
        self.lasot_mask_path = ""
        self.got_packed_results_path = ""
        self.got_reports_path = ""
        self.tn_packed_results_path = ""


def local_file() -> Path:
    """Return the path of the `local.py` in use, which need not exist."""
    return LOCAL.path()


def create_default_local_file() -> Path:
    """Write `local.py` with the default settings unless there is one; return its path."""
    return LOCAL.create_default()


def ensure_local_file() -> None:
    """Write the default `local.py` when there is none, so that a fresh clone just runs."""
    if not LOCAL.exists():
        _log.info(
            "wrote default settings to %s - edit it to add data sets", create_default_local_file()
        )


def env_settings() -> EnvSettings:
    """Return the settings of `local.py`; see `LocalFile.settings`."""
    return LOCAL.settings()


def settings_at(root: str | os.PathLike) -> EnvSettings:
    """Return settings in which `root` is the folder of every data set.

    Results, networks, lists and masks stay where local.py has them. Nothing is written where there
    is no local.py.
    """
    settings = copy.copy(env_settings() if LOCAL.exists() else EnvSettings())
    for name in vars(settings):
        if name.endswith(("_path", "_dir")) and not _is_own_path(name):
            setattr(settings, name, str(Path(root).expanduser().resolve()))
    return settings


def _is_own_path(name: str) -> bool:
    """Say whether a setting is about files that this toolkit writes, or that no data set has."""
    return name in _OWN_PATHS or "_packed_" in name or "_mask_" in name


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


def _default_text() -> str:
    lines = []
    for name, value in sorted(vars(EnvSettings()).items()):
        comment = f"    # {_COMMENTS[name]}" if name in _COMMENTS else ""
        lines.append(f"    settings.{name} = {value!r}{comment}\n")
    return _HEADER + "".join(lines) + "\n    return settings\n"


LOCAL = LocalFile(
    VARIABLE,
    PACKAGE / "evaluation" / "local.py",
    MODULE,
    "local_env_settings",
    _default_text,
)
