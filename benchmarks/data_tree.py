"""Find the real sequences for benchmarks.

They lie in a folder with `got10k/{train,val}`, `lasot` and `otb` in the layouts of these data sets.
"""

from __future__ import annotations

import os
from pathlib import Path

from ltr.admin.errors import MissingFile
from ltr.io.files import write_text

TEST_SETS = {
    "got10k_val": "got10k/val",
    "lasot": "lasot",
    "otb": "otb",
}  # evaluation data set -> its folder
TRAIN_SETS = (
    "got10k_ltrval",
    "lasot_train",
)  # evaluation data sets of training sequences, which choices may be made on

LTR_LOCAL = """class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = {out!r}
        self.tensorboard_dir = self.workspace_dir + "/tensorboard"
        self.pretrained_networks = self.workspace_dir + "/pretrained_networks"
        self.got10k_dir = {train!r}
"""
PYTRACKING_LOCAL = """from pytracking.evaluation.environment import EnvSettings


def local_env_settings():
    settings = EnvSettings()
    settings.network_path = {out!r} + "/networks"
    settings.results_path = {out!r} + "/tracking_results"
    settings.result_plot_path = {out!r} + "/result_plots"
    settings.dataspec_path = {out!r} + "/specs"
    settings.got10k_path, settings.lasot_path, settings.otb_path = {got10k!r}, {lasot!r}, {otb!r}
    return settings
"""


def configure(data: Path, out: Path) -> tuple[Path, Path]:
    """Make this process, and those it starts, work on `data` with the workspace `out`; both as
    absolute paths.

    Raises MissingFile when a folder of `data` or the list of its training videos is not there.
    """
    data, out = data.resolve(), out.resolve()
    for part in ("got10k/train", *TEST_SETS.values()):
        if not (data / part).is_dir():
            raise MissingFile(
                f"no folder '{data / part}': give a folder that holds got10k/train, got10k/val, "
                "lasot and otb"
            )
    listed = data / "got10k/train/list.txt"
    if not listed.is_file():
        raise MissingFile(
            f"no file '{listed}': write it, the names of the folders beside it, a line each"
        )
    for variable, name, text in (
        (
            "LTR_LOCAL",
            "ltr_local.py",
            LTR_LOCAL.format(out=str(out), train=str(data / "got10k/train")),
        ),
        (
            "PYTRACKING_LOCAL",
            "pytracking_local.py",
            PYTRACKING_LOCAL.format(
                out=str(out),
                got10k=str(data / "got10k"),
                lasot=str(data / "lasot"),
                otb=str(data / "otb"),
            ),
        ),
    ):
        write_text(out / name, text)
        os.environ[variable] = str(out / name)
    videos = len(listed.read_text(encoding="utf-8").split())
    write_text(
        out / "specs/got10k_val_split.txt", "".join(f"{video}\n" for video in range(videos))
    )  # all of TRAIN_SETS
    return data, out
