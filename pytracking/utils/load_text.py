"""Reading number tables: pytracking's `load_text`, and a box reader that says which line is
wrong.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile, in_short


def load_text(
    path: str | os.PathLike, delimiter=" ", dtype=np.float32, backend: str = "numpy"
) -> np.ndarray | None:
    """The numbers of a text file. `delimiter` is one delimiter or several to try in turn (None =
    any white space).

    With the numpy backend a file of one line gives a 1-D array; with pandas always 2-D. Another
    backend gives None.
    """
    if backend == "numpy":
        return load_text_numpy(path, delimiter, dtype)
    if backend == "pandas":
        return load_text_pandas(path, delimiter, dtype)
    return None


def load_text_numpy(path: str | os.PathLike, delimiter, dtype) -> np.ndarray:
    """`load_text` through `numpy.loadtxt`."""
    return _first_that_reads(
        path, delimiter, lambda one: np.loadtxt(path, delimiter=one, dtype=dtype)
    )


def load_text_pandas(path: str | os.PathLike, delimiter, dtype) -> np.ndarray:
    """`load_text` through `pandas.read_csv` (no header, empty fields are errors)."""
    import pandas as pd

    def read(one):
        separator = r"\s+" if one is None else one
        return pd.read_csv(
            path, sep=separator, header=None, dtype=dtype, na_filter=False
        ).to_numpy()

    return _first_that_reads(path, delimiter, read)


def _first_that_reads(path: str | os.PathLike, delimiter, read) -> np.ndarray:
    problem = None
    for one in delimiter if isinstance(delimiter, (tuple, list)) else [delimiter]:
        try:
            return read(one)
        except (ValueError, OSError) as error:  # wrong delimiter or unreadable file
            problem = error
    reason = in_short(str(problem).partition("\n")[0])
    raise BadInput(f"Could not read file {path}: {reason}")


def count_boxes(path: str | os.PathLike) -> int:
    """Return the number of rows of a box file; empty lines at the end do not count."""
    text = read_text(path).rstrip()
    return text.count("\n") + 1 if text else 0


def read_boxes(path: str | os.PathLike, columns: int | None = 4) -> np.ndarray:
    """The rows of a box file `(N, columns)` float64; commas, tabs and spaces separate, `nan` is a
    number.

    `columns=None` takes the width of the first row. Empty lines at the end are ignored. A missing
    file, a line with another number of columns and text that is no number are errors that name file
    and line.
    """
    text = read_text(path).replace(",", " ").replace(";", " ")
    lines = text.rstrip().split("\n") if text.strip() else []
    if not lines:
        raise BadInput(
            f"{path} holds no box - give one row x,y,w,h per frame, or at least the first frame's"
        )
    width = columns or len(lines[0].split())
    try:
        rows = np.array(text.split(), dtype=np.float64)
        if rows.size == len(lines) * width and all(len(line.split()) == width for line in lines):
            return rows.reshape(-1, width)
    except ValueError:
        pass  # the loop below names the line
    for number, line in enumerate(lines, start=1):
        _check_row(line, width, path, number)
    raise BadValue(f"{path} cannot be read as rows of {width} numbers")


def _check_row(line: str, width: int, path: str | os.PathLike, number: int) -> None:
    fields = line.split()
    for field in fields:
        try:
            float(field)
        except ValueError:
            raise BadValue(
                f"{path} line {number}: '{in_short(field)}' is no number - every line holds "
                f"{width} numbers"
            ) from None
    if len(fields) != width:
        raise BadValue(
            f"{path} line {number}: {len(fields)} numbers where {width} belong - correct or "
            "remove the line"
        )


def read_flags(path: str | os.PathLike) -> np.ndarray:
    """The 0/1 entries of a file, `(N,)` bool, however they are laid out in lines (LaSOT's
    visibility files).
    """
    fields = read_text(path).replace(",", " ").split()
    unknown = next((field for field in fields if field not in ("0", "1", "0.0", "1.0")), None)
    if unknown is not None:
        raise BadValue(f"{path}: '{in_short(unknown)}' is neither 0 nor 1")
    return np.array([field[0] == "1" for field in fields], dtype=bool)


def read_text(path: str | os.PathLike) -> str:
    """The file's text; a missing or binary file is one sentence."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingFile(f"file not found: {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
