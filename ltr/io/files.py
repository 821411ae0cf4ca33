"""Files that are either whole or absent: written beside their place, flushed to disk, then
renamed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ltr.admin.errors import BadInput

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class DiskFull(BadInput, OSError):
    """There is no room left for a file."""

    def __init__(self, path: str | os.PathLike | None, what_next: str):
        where = "a file" if path is None else path
        super().__init__(
            f"{where} could not be written, its disk is full: free space there and {what_next}"
        )
        self.path = path


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that the disk, or the user's share of it, is full. Writers of other
    packages hide its number.
    """
    return (
        isinstance(error, DiskFull)
        or getattr(error, "errno", None) in _NO_ROOM
        or (
            not isinstance(error, BadInput)
            and any(os.strerror(number) in str(error) for number in _NO_ROOM)
        )
    )


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it over `path`.

    A crash at any moment leaves the old file or the new one, never a part. On an exception the
    temporary file is removed and `path` stays as it was; DiskFull when there is no room for it. The
    parent folder is made when absent.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)  # the rename itself must survive a power cut
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except Exception as error:
        if is_disk_full(error):
            raise DiskFull(path, "start again; what was written before is whole") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def require_room(folder: str | os.PathLike, size: int) -> None:
    """DiskFull unless the disk of `folder`, which exists, has `size` bytes left. For writers that
    take a full disk badly.
    """
    if shutil.disk_usage(folder).free < size:
        raise DiskFull(Path(folder) / "…", "start again; what was written before is whole")


def remove_abandoned(folder: str | os.PathLike, of: str = "*", hours: float = 0) -> None:
    """Remove temporary files of `atomic_write` in `folder` and below, for files called `of`, whose
    process was killed.

    Where processes of other machines may write meanwhile, which cannot be asked, `hours` spares
    younger files.
    """
    for path in Path(folder).rglob(f".{of}.*.tmp"):
        match = re.search(r"\.(\d+)\.tmp$", path.name)
        with contextlib.suppress(FileNotFoundError):  # another one tidies up, too
            if (
                match
                and not _runs_elsewhere(int(match[1]))
                and time.time() - path.stat().st_mtime >= 3600 * hours
            ):
                path.unlink()


def _runs_elsewhere(pid: int) -> bool:
    """Whether another process than this one has the number; in containers the successor often has
    its number again.
    """
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not ours to signal, or a system without this question
        pass
    return True


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` in one step (see `atomic_write`)."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
