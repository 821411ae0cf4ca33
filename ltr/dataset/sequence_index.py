"""The index of a data set: its parsed annotation files, kept in one memory-mapped file.

Annotation text is parsed once, not for every sample. The file lies in `dataset_index/` of the
workspace (`workspace_dir` of local.py), never among the data. Each sequence has a stamp, the times
and sizes of its annotation files; opening compares all stamps, parses anew what is new or changed,
and replaces the file in one step. Changes made while a data set is open are not seen. Removing the
folder costs nothing but the time to parse again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ltr.admin.environment import find_env_settings
from ltr.admin.errors import BadInput
from ltr.io.array_file import open_arrays, write_arrays
from ltr.io.progress import counted

log = logging.getLogger(__name__)

Record = dict[str, np.ndarray]

_FORMAT = 1
# sequences kept in each process where there is no workspace: about 50 kB for a long LaSOT video
_RECENT = 1024


def index_file(dataset: str, root: str | os.PathLike) -> Path | None:
    """The file for the data set at `root` in the workspace; None when local.py names no
    workspace.
    """
    workspace = getattr(find_env_settings(), "workspace_dir", None)
    if not workspace:
        return None
    place = hashlib.sha256(os.path.abspath(root).encode()).hexdigest()[:12]
    return (
        Path(workspace).expanduser()
        / "dataset_index"
        / f"{dataset.replace('/', '_')}-{place}.safetensors"
    )


def stamps_of(files: Iterable[Sequence[str | os.PathLike]]) -> np.ndarray:
    """(N, 2 S) int64: change time and size of the S files or folders of each sequence, 0 where
    there is none.
    """
    return np.array(
        [[value for file in of_sequence for value in _stamp(file)] for of_sequence in files],
        np.int64,
    )


def _stamp(file: str | os.PathLike) -> tuple[int, int]:
    try:
        state = os.stat(file)
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


class SequenceIndex:
    """Parsed annotation by sequence: `index[i]` is a dict of read-only arrays, or None for what
    could not be parsed.
    """

    def __init__(self, read: Callable[[int], Record]):
        """An index without a file: `read(i)` parses when asked, the sequences used last are
        kept.
        """
        self._read = read
        self._recent: OrderedDict[int, Record] = OrderedDict()
        self._rows: np.ndarray | None = None
        self._columns: dict[str, np.ndarray] = {}
        self._starts: dict[str, np.ndarray] = {}

    @classmethod
    def open(
        cls,
        file: Path | None,
        keys: Sequence[str],
        files: Sequence[Sequence[str | os.PathLike]],
        read: Callable[[int], Record],
        what: str,
    ) -> SequenceIndex:
        """The index of the sequences `keys`, from `file` as far as it holds them unchanged.

        `files[i]` are the annotation files of sequence i and `read(i)` parses them; columns have
        the same type and trailing shape in every sequence. Sequences for which `read` raises
        BadInput are recorded as not usable: they do not keep the others from being used. Processes
        that open at the same time (loader workers) wait for the first.
        """
        index = cls(read)
        if file is None:
            return index
        stamps = stamps_of(files)
        with _locked(file):
            kept = _Stored.load(file)
            rows = kept.find(keys, stamps)
            if (rows < 0).any():
                try:
                    kept = _rebuild(file, kept, rows, keys, stamps, read, what)
                except OSError as error:
                    log.warning(
                        "%s: %s cannot be written (%s); annotation is parsed whenever it is used",
                        what,
                        file,
                        error.strerror,
                    )
                    return index
                rows = kept.find(keys, stamps)
        index._rows, index._columns, index._starts = rows, kept.columns, kept.starts
        return index

    def __getitem__(self, i: int) -> Record | None:
        if self._rows is not None:
            return self._stored(int(self._rows[i]))
        if i not in self._recent:
            try:
                self._recent[i] = self._read(i)
            except BadInput:
                return None
            if len(self._recent) > _RECENT:
                self._recent.popitem(last=False)
        self._recent.move_to_end(i)
        return self._recent[i]

    def __len__(self) -> int:
        return len(self._recent if self._rows is None else self._rows)

    def _stored(self, row: int) -> Record | None:
        return _record(self._columns, self._starts, row)


class _Stored:
    """An index file: records by key, each with its stamp."""

    def __init__(self, keys: list[str], stamps: np.ndarray, columns: Record, starts: Record):
        self.keys, self.stamps, self.columns, self.starts = keys, stamps, columns, starts

    @classmethod
    def load(cls, file: Path) -> _Stored:
        """The content of `file`; nothing when it is absent, damaged or of another version, as it
        can be made again.
        """
        if file.is_file():
            try:
                arrays, info = open_arrays(file, verify=True, advice="it is made again")
                if info.get("format") == _FORMAT:
                    columns = {
                        name[5:]: array
                        for name, array in arrays.items()
                        if name.startswith("data/")
                    }
                    starts = {name: arrays[f"start/{name}"] for name in columns}
                    keys = arrays["keys"].tobytes().decode().split("\n")
                    return cls(keys, arrays["stamps"], columns, starts)
            except BadInput as error:
                log.warning("%s", error)
            except (KeyError, OSError):
                pass
        return cls([], np.empty((0, 0), np.int64), {}, {})

    def find(self, keys: Sequence[str], stamps: np.ndarray) -> np.ndarray:
        """(N,) row of each key, -1 where it is absent or its stamp differs."""
        if not self.keys or self.stamps.shape[1] != stamps.shape[1]:
            return np.full(len(keys), -1)
        places = {key: row for row, key in enumerate(self.keys)}
        rows = np.array([places.get(key, -1) for key in keys], np.int64)
        return np.where((self.stamps[rows] == stamps).all(1), rows, -1)


def _record(columns: Record, starts: Record, row: int) -> Record | None:
    """A sequence of no column at all is one that could not be parsed."""
    bounds = {name: (int(start[row]), int(start[row + 1])) for name, start in starts.items()}
    if all(first == last for first, last in bounds.values()):
        return None
    return {name: columns[name][first:last] for name, (first, last) in bounds.items()}


def _rebuild(
    file: Path,
    kept: _Stored,
    rows: np.ndarray,
    keys: Sequence[str],
    stamps: np.ndarray,
    read: Callable[[int], Record],
    what: str,
) -> _Stored:
    """Write `kept` with the sequences of row -1 parsed anew, and return what was written."""
    begin = time.perf_counter()
    log.info(
        "%s: parsing the annotation of %d sequences, once; it is kept in %s",
        what,
        (rows < 0).sum(),
        file,
    )
    wanted = set(keys)
    old = (
        []
        if kept.stamps.shape[1] != stamps.shape[1]
        else [r for r, key in enumerate(kept.keys) if key not in wanted]
    )
    records = [
        _record(kept.columns, kept.starts, row) for row in old
    ]  # of sequences that other splits use
    bad = []
    for i, row in enumerate(counted(rows.tolist(), what, "sequences")):
        if row >= 0:
            records.append(_record(kept.columns, kept.starts, row))
            continue
        try:
            records.append(read(i))
        except BadInput as error:
            records.append(None)
            bad.append(error)
    if bad:
        log.warning(
            "%s: the annotation of %d sequences cannot be used, the first because: %s",
            what,
            len(bad),
            bad[0],
        )
    names = next((record.keys() for record in records if record is not None), ())
    arrays = {
        "keys": np.frombuffer("\n".join([*(kept.keys[r] for r in old), *keys]).encode(), np.uint8),
        "stamps": np.concatenate([kept.stamps[old], stamps]) if old else stamps,
    }
    for name in names:
        parts = [record[name] for record in records if record is not None]
        arrays[f"data/{name}"] = np.concatenate(parts)
        arrays[f"start/{name}"] = np.cumsum(
            [0, *(0 if record is None else len(record[name]) for record in records)]
        )
    write_arrays(file, arrays, {"format": _FORMAT})
    log.info("%s: parsed in %.1f s", what, time.perf_counter() - begin)
    return _Stored.load(file)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock of an index file, so that one process parses and the others wait."""
    try:
        import fcntl

        file.parent.mkdir(parents=True, exist_ok=True)
        lock = open(file.with_suffix(".lock"), "a")  # noqa: SIM115 (closed below)
    except (ImportError, OSError):  # no such locks here, or a workspace that cannot be written
        yield
        return
    with lock:  # closing it lets go of the lock
        with contextlib.suppress(
            OSError
        ):  # a file system without locks: the work may be done twice, never wrongly
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
