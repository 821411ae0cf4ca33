"""Where data sets and their split lists are, and what to say when they are not there."""

from __future__ import annotations

import logging
from pathlib import Path

from ltr.admin.environment import WITHOUT_DATA, env_settings, find_env_settings, local_file
from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.dataset.annotations import read_lines

log = logging.getLogger(__name__)

PACKAGE_SPECS = Path(__file__).resolve().parents[1] / "data_specs"


def find_root(
    dataset: str, setting: str, pattern: str, what: str, root: str | Path | None = None
) -> Path:
    """Folder of a data set: `root`, or the setting of that name in local.py.

    The folder must hold an entry that matches the glob `pattern`, described by `what`. The errors,
    NotConfigured and MissingFile, say which setting to change, and that there is something to run
    without data.
    """
    if root is None:
        root = getattr(env_settings(), setting, None)
        if not root:
            raise NotConfigured(
                f"{dataset}: {setting} is not set in {local_file()}; set it to the folder that "
                "holds "
                f"{what} ({WITHOUT_DATA})"
            )
        where, remedy = (
            f"{setting} in {local_file()} is '{root}', which",
            f"set it to the folder that holds {what}",
        )
    else:
        where, remedy = f"the folder '{root}'", f"give the folder that holds {what}"
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise MissingFile(f"{dataset}: {where} does not exist; {remedy} ({WITHOUT_DATA})")
    if next(folder.glob(pattern), None) is None:
        below = next(folder.glob(f"*/{pattern}"), None)
        hint = f", perhaps '{below.parent}'" if below else ""
        raise MissingFile(f"{dataset}: {where} holds no {what}; {remedy}{hint} ({WITHOUT_DATA})")
    return folder


def spec_file(name: str) -> Path | None:
    """The list `name` of pytracking's ltr/data_specs, in `data_specs_dir` of local.py or in
    ltr/data_specs; None if absent.
    """
    configured = getattr(find_env_settings(), "data_specs_dir", None)
    folders = ([Path(configured).expanduser()] if configured else []) + [PACKAGE_SPECS]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def read_names(path: Path) -> list[str]:
    """The lines of a list of names, without blank ones."""
    return [line.strip() for line in read_lines(path) if line.strip()]


def read_ids(path: Path, count: int) -> list[int]:
    """Ids (0-based) below `count`, one a line."""
    ids = []
    for number, line in enumerate(read_names(path), 1):
        if not line.isdecimal() or int(line) >= count:
            raise BadValue(
                f"{path} line {number}: '{line[:40]}' is no number of one of the {count} "
                "sequences; this "
                "list does not belong to this data set, correct data_specs_dir or remove the file"
            )
        ids.append(int(line))
    return ids
