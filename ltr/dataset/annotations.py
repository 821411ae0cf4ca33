"""Reads the text files that hold boxes and flags.

Numbers may be separated by commas, tabs or spaces. An error names the file and the line. Boxes can
be read for chosen rows only: lines that are not asked for are not interpreted, whatever they hold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.reading import open_file

_LARGEST_FLAG = 2**31


def read_boxes(path: str | os.PathLike, rows: Iterable[int] | None = None) -> np.ndarray:
    """Boxes xywh as float32 (N, 4), one from each line; of the given rows (0-based, in their order)
    only, when given.

    A line may also hold NaN ("not annotated"). Raises MissingFile, or BadValue for a line without
    four numbers.
    """
    lines = read_lines(path)
    if rows is None and lines:
        try:  # NumPy's reader is several times faster, but cannot say which line is wrong
            boxes = np.loadtxt(
                [line.replace(",", " ") for line in lines], np.float32, comments=None, ndmin=2
            )
            if boxes.shape == (len(lines), 4):
                return boxes
        except ValueError:
            pass
    rows = range(len(lines)) if rows is None else [int(row) for row in rows]
    boxes = np.empty((len(rows), 4), np.float32)
    for i, row in enumerate(rows):
        if not 0 <= row < len(lines):
            raise BadValue(
                f"{path} has no box for frame {row}: it has {len(lines)} lines; copy the sequence "
                "again"
            )
        boxes[i] = _numbers(path, row, lines[row], 4)
    return boxes


def read_flags(path: str | os.PathLike) -> np.ndarray:
    """All numbers of a file, one or many a line, as int32 (N,): visibility and occlusion labels.

    Raises MissingFile, or BadValue for a line with anything else.
    """
    flags: list[int] = []
    for row, line in enumerate(read_lines(path)):
        values = _numbers(path, row, line)
        if not all(abs(value) < _LARGEST_FLAG for value in values):  # NaN and infinity as well
            raise BadValue(
                f"{path} line {row + 1}: expected flags such as 0 and 1, found '{line[:60]}'; "
                "correct the line"
            )
        flags += map(int, values)
    return np.array(flags, np.int32)


def count_rows(path: str | os.PathLike) -> int:
    """Number of lines, without empty ones at the end; their content is not interpreted."""
    return len(read_lines(path))


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a text file, without empty ones at the end. Raises MissingFile, or BadValue when
    it is no text.
    """
    try:
        with open_file(path) as file:
            text = file.read().decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingFile(
            f"there is no file {path}; check whether the data set is complete"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"{path} cannot be read as text ({error}); copy the file again") from error
    return text.rstrip().splitlines()


def _numbers(path: str | os.PathLike, row: int, line: str, count: int | None = None) -> list[float]:
    try:
        values = [float(part) for part in line.replace(",", " ").split()]
    except ValueError:
        values = None
    if values is None or (count is not None and len(values) != count):
        wanted = f"{count} numbers" if count else "numbers"
        raise BadValue(
            f"{path} line {row + 1}: expected {wanted} separated by commas or spaces, found "
            f"'{line[:60]}'; "
            "correct the line"
        )
    return values
