"""Check an archive before it is uploaded: `python -m pytracking.util_scripts.check_pack
ARCHIVE.zip`.

One line is printed per problem, and the exit status is 1 when there is any. Where the data set is
on disk its number of frames is compared too.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(os.path.dirname(_FOLDER)),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.errors import BadInput, BadValue, MissingFile, run_script
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.environment import ensure_local_file
from pytracking.evaluation.lists import shortened

GOT10K, TRACKINGNET = "got10k_test", "trackingnet"
COUNTS = {GOT10K: 180, TRACKINGNET: 511}
GOT10K_PREFIX = "GOT-10k_"
GOT_RUNS = 3


@dataclass(frozen=True)
class Expected:
    """The content that an archive should have, as far as it is known here."""

    dataset: str
    frames: dict[str, int]  # frames per sequence, of those on this machine
    unknown: str = ""  # why there are none

    def names(self) -> list[str] | None:
        """The sequences, None when this machine does not know all of them."""
        if self.dataset == GOT10K:
            return got10k_names()
        return list(self.frames) if len(self.frames) == COUNTS[self.dataset] else None


def got10k_names() -> list[str]:
    """Return the names of GOT-10k's test sequences."""
    return [f"GOT-10k_Test_{number:06d}" for number in range(1, COUNTS[GOT10K] + 1)]


def find_problems(path: str | os.PathLike, dataset: str | None = None) -> list[str]:
    """Return one sentence per problem of an archive for the server of `dataset`: 'got10k_test' or
    'trackingnet'.

    By default the archive's content tells which. Checked are the sequences, the files of each, the
    numbers per row, the number of rows, and that all numbers are finite and no box has a negative
    size.
    """
    return list(_problems(*_open(path, dataset)))


def tell_problems(path: str | os.PathLike, dataset: str | None = None) -> int:
    """Print the problems of an archive, or that there are none; return the exit status, 1 with
    problems.
    """
    entries, expected = _open(path, dataset)
    if expected.unknown:
        print(f"not compared with the number of frames: {expected.unknown}")
    problems = list(_problems(entries, expected))
    for problem in problems:
        print(problem)
    if problems:
        print(
            f"{path}: not fit for upload, {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        )
        return 1
    print(f"{path}: fit for upload, {expected.dataset}, {COUNTS[expected.dataset]} sequences")
    return 0


def _open(path: str | os.PathLike, dataset: str | None) -> tuple[dict[str, str], Expected]:
    entries = _read(path)
    if dataset is None:
        dataset = _dataset_of(entries)
    elif dataset not in COUNTS:
        raise BadValue(f"unknown data set '{dataset}', use {' or '.join(COUNTS)}")
    try:
        return entries, Expected(
            dataset, {sequence.name: len(sequence.frames) for sequence in get_dataset(dataset)}
        )
    except BadInput as error:
        return entries, Expected(dataset, {}, str(error))


def _dataset_of(entries: Iterable[str]) -> str:
    """Return the data set whose sequences an archive seems to hold.

    Files of GOT-10k carry its name, wherever they lie: a folder around all is no mark of it.
    """
    is_got10k = any(part.startswith(GOT10K_PREFIX) for name in entries for part in name.split("/"))
    return GOT10K if is_got10k else TRACKINGNET


def _read(path: str | os.PathLike) -> dict[str, str]:
    """Text of every file of the archive by name."""
    if not os.path.isfile(path):
        raise MissingFile(f"there is no archive {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename: archive.read(info).decode("utf-8", errors="replace")
                for info in archive.infolist()
                if not info.is_dir()
            }
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:  # RuntimeError: encrypted
        raise BadInput(
            f"{path} cannot be read as a zip archive ({error}) - pack the results again"
        ) from None


def _problems(entries: dict[str, str], expected: Expected) -> Iterator[str]:
    outer = {name.split("/")[0] for name in entries}
    depth = 1 if expected.dataset == GOT10K else 0
    if len(outer) == 1 and entries and min(name.count("/") for name in entries) > depth:
        yield f"everything lies in a folder '{outer.pop()}/' - zip its content, not the folder"
        return
    check = _got10k_problems if expected.dataset == GOT10K else _trackingnet_problems
    yield from check(entries, expected)


def _got10k_problems(entries: dict[str, str], expected: Expected) -> Iterator[str]:
    names = got10k_names()
    files = {
        name: [f"{name}/{name}_{run:03d}.txt" for run in range(1, GOT_RUNS + 1)] for name in names
    }
    times = {name: f"{name}/{name}_time.txt" for name in names}
    yield from _wrong_sequences(
        names, sorted({file.split("/")[0] for file in entries}), COUNTS[GOT10K]
    )
    wanted = {file for name in names for file in (*files[name], times[name])}
    for extra in sorted(entries.keys() - wanted):
        if extra.split("/")[0] in files:
            yield f"{extra}: does not belong into the archive"
    for name in names:
        if not any(file.startswith(f"{name}/") for file in entries):
            continue  # told above
        for file in (*files[name], times[name]):
            if file not in entries:
                yield f"{file}: is missing"
        yield from _run_problems(entries, name, files[name], times[name], expected)


def _run_problems(
    entries: dict[str, str], name: str, files: list[str], times: str, expected: Expected
) -> Iterator[str]:
    """Name what is wrong with the runs of one sequence and with their times."""
    rows = set()
    for file in (file for file in files if file in entries):
        count, problem = _check_table(entries[file], (4,), expected.frames.get(name))
        rows.add(count)
        if problem:
            yield f"{file}: {problem}"
    if len(rows - {0}) > 1:
        yield (
            f"{name}: the runs have {', '.join(map(str, sorted(rows)))} rows, they should "
            "have one per frame"
        )
    if times in entries:
        _, problem = _check_table(
            entries[times], (1, GOT_RUNS), max(rows, default=0) or None, boxes=False
        )
        if problem:
            yield f"{times}: {problem}"


def _trackingnet_problems(entries: dict[str, str], expected: Expected) -> Iterator[str]:
    found = sorted(name[:-4] for name in entries if name.endswith(".txt"))
    yield from _wrong_sequences(expected.names(), found, COUNTS[TRACKINGNET])
    for name in sorted(entries):
        if not name.endswith(".txt"):
            yield f"{name}: does not belong into the archive"
            continue
        _, problem = _check_table(entries[name], (4,), expected.frames.get(name[:-4]))
        if problem:
            yield f"{name}: {problem}"


def _wrong_sequences(wanted: list[str] | None, found: list[str], count: int) -> Iterator[str]:
    if wanted is None:
        if len(found) != count:
            yield f"{len(found)} sequences where {count} belong"
        return
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing:
        yield f"{len(missing)} of {len(wanted)} sequences are missing: {shortened(missing)}"
    if extra:
        yield f"{len(extra)} sequences do not belong to the data set: {shortened(extra)}"


def _check_table(
    text: str, columns: tuple[int, ...], rows: int | None, boxes: bool = True
) -> tuple[int, str | None]:
    """Number of rows, and what is wrong with them: the first problem, or None."""
    lines = text.rstrip().splitlines()
    if not lines:
        return 0, "is empty"
    table = []
    for number, line in enumerate(lines, start=1):
        try:
            table.append([float(value) for value in line.split(",")])
        except ValueError:
            return len(lines), f"line {number}: '{line[:40]}' is not numbers separated by commas"
        if len(table[-1]) not in columns or len(table[-1]) != len(table[0]):
            return (
                len(lines),
                f"line {number}: {len(table[-1])} numbers where {' or '.join(map(str, columns))} "
                "belong",
            )
    values = np.array(table)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        return len(lines), f"line {bad[0] + 1}: not all numbers are finite"
    if boxes and (values[:, 2:] < 0).any():
        return (
            len(lines),
            f"line {np.flatnonzero((values[:, 2:] < 0).any(axis=1))[0] + 1}: a box has a negative "
            "size",
        )
    if rows is not None and len(lines) != rows:
        return len(lines), f"{len(lines)} rows for {rows} frames"
    return len(lines), None


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Check an archive of results before it is uploaded: sequences, files, rows, "
        "numbers. One line per problem; exit status 1 when there is any."
    )
    parser.add_argument("archive", type=Path, help="zip file that a packing script wrote")
    parser.add_argument(
        "--dataset",
        choices=list(COUNTS),
        help="data set it is for (default: what its content looks like)",
    )
    args = parser.parse_args()

    ensure_local_file()
    return tell_problems(args.archive, args.dataset)


if __name__ == "__main__":
    run_script(main)
