"""Functions of the packing scripts: finding result files, reading their numbers, writing an archive
whole or not at all.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ltr.admin.errors import MissingFile, NotConfigured
from ltr.io import outputs
from ltr.io.files import atomic_write
from pytracking.evaluation.environment import env_settings, local_file


def result_folder(tracker_name: str, param_name: str, run_id: int | None = None) -> Path:
    """Folder with the result files of one run."""
    variant = param_name if run_id is None else f"{param_name}_{run_id:03d}"
    return Path(env_settings().results_path, tracker_name, variant)


def archive_path(setting: str, output_name: str) -> Path:
    """`<setting of local.py>/<output_name>.zip`."""
    folder = getattr(env_settings(), setting, "")
    if not folder:
        raise NotConfigured(
            f"{setting} is not set in {local_file()} - set it to the folder where archives are to "
            "be written"
        )
    return Path(folder, f"{output_name}.zip")


def require_files(files: Iterable[Path], what: str, remedy: str) -> None:
    """Raise MissingFile, with the number of files and an example, unless all exist."""
    files = list(files)
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise MissingFile(
            f"{what}: {len(missing)} of {len(files)} result files are missing, e.g. {missing[0]} "
            f"- {remedy}"
        )


def as_text(table: np.ndarray, number_format: str) -> str:
    """Rows of numbers separated by commas."""
    return "".join(",".join(number_format % value for value in row) + "\n" for row in table)


def write_archive(path: Path, entries: Iterable[tuple[str, str]]) -> None:
    """A zip of `entries` (name, text) at `path`, which is whole or absent. The same entries give
    the same bytes. Within a command its guard of outputs decides whether an archive is replaced.
    """
    outputs.current().add_output(path)
    with (
        atomic_write(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, text in entries:
            info = zipfile.ZipInfo(name)  # without the time of packing
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, text)
