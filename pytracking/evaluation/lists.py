"""The sequences of a data set: lists that come with it or with a pytracking checkout, and what of
it is missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from ltr.dataset.roots import spec_file

_log = logging.getLogger(__name__)


def spec_list(settings: object, file_name: str) -> Path | None:
    """The split list `file_name` of pytracking's `ltr/data_specs`, or None.

    Looked for in `dataspec_path` of the evaluation's local.py, then where the training data sets
    look (`data_specs_dir` of the training's local.py, `ltr/data_specs`).
    """
    configured = getattr(settings, "dataspec_path", "")
    if configured and (Path(configured).expanduser() / file_name).is_file():
        return Path(configured).expanduser() / file_name
    return spec_file(file_name)


def shortened(names: list[str], shown: int = 5) -> str:
    """The first few of `names` for a message."""
    return ", ".join(names[:shown]) + (", …" if len(names) > shown else "")


def report_partial(dataset: str, found: int, expected: int, place: str) -> None:
    """Warn when a data set is half there: averages over it are then no published numbers."""
    if found < expected:
        _log.warning(
            "%s: %d of its %d sequences are in '%s'; averages over them are not those of the "
            "whole data set",
            dataset,
            found,
            expected,
            place,
        )


def report_without_frames(dataset: str, folders: Iterable[tuple[str, str]]) -> None:
    """Warn about sequences (pairs of name and image folder) whose boxes are there and whose images
    are not.
    """
    missing = [(name, folder) for name, folder in folders if not os.path.isdir(folder)]
    if missing:
        _log.warning(
            "%s: %d of its sequences have boxes but no images, e.g. there is no folder '%s'; "
            "their results can be "
            "analysed, but a tracker cannot run on %s",
            dataset,
            len(missing),
            missing[0][1],
            shortened([name for name, _ in missing]),
        )
