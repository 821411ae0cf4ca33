"""A lock that lets one run at a time work in a folder: that the system lets go of when its process
ends, however it ends.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ltr.admin.errors import BadInput
from ltr.io.files import remove_abandoned
from ltr.parallel.distributed import is_main_process

log = logging.getLogger(__name__)

FILE = "run.lock"
_NO_LOCKS = {
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
    errno.EINVAL,
}  # of file systems that cannot lock

_held: dict[Path, tuple[int, IO[bytes]]] = {}  # by this process: thread, open lock file


@contextlib.contextmanager
def lock_folder(folder: str | os.PathLike, otherwise: str = "use another folder") -> Iterator[None]:
    """Keep other runs out of `folder`, which is made when absent, for the length of the block.

    BadInput, which names the holder and ends with the advice `otherwise`, when another process or
    thread is in it; a block within a block of the same thread is none. Of several processes of one
    run the first takes the lock. Where the file system knows no locks a warning says so and the
    block runs. Temporary files that killed runs left are removed.
    """
    folder = Path(folder).expanduser()
    if not is_main_process():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
    except OSError as error:
        raise BadInput(
            f"the folder {folder} cannot be made ({error.strerror}); correct its path"
        ) from error
    if _held.get(folder, (None,))[0] == threading.get_ident():
        yield
        return
    lock = _take(folder, otherwise)
    if lock is None:
        yield
        return
    _held[folder] = threading.get_ident(), lock
    try:
        remove_abandoned(folder)
        yield
    finally:
        del _held[folder]
        with contextlib.suppress(OSError):
            (folder / FILE).unlink()
        lock.close()  # lets go of the lock


def _take(folder: Path, otherwise: str) -> IO[bytes] | None:
    """The lock file, locked; None where there are no locks. Where its holder is just removing it
    there will be another.
    """
    path = folder / FILE
    while True:
        lock = _lock(path, folder, otherwise)
        if lock is None or _is_at(path, lock):
            break
        lock.close()
    if lock is not None:
        with contextlib.suppress(
            OSError
        ):  # who holds it is a courtesy, which a full disk may refuse
            lock.truncate(0)
            now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
            lock.write(
                f"process {os.getpid()} on {socket.gethostname()}, which began {now}\n".encode()
            )
    return lock


def _is_at(path: Path, lock: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(path: Path, folder: Path, otherwise: str) -> IO[bytes] | None:
    """Open what is at `path` now, and lock it."""
    if fcntl is None:
        log.warning("this system has no file locks: make sure that no other run uses %s", folder)
        return None
    try:
        lock = open(path, "a+b", buffering=0)  # noqa: SIM115 (closed by the caller)
    except OSError as error:
        raise BadInput(
            f"the lock file {path} cannot be opened ({error.strerror}); allow writing to its folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().decode(errors="replace").strip() or "another process"
        lock.close()
        if error.errno in _NO_LOCKS:
            log.warning(
                "the file system of %s has no locks (%s): make sure that no other run uses it",
                folder,
                error.strerror,
            )
            return None
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadInput(
                f"{path} cannot be locked ({error.strerror}); use another file system"
            ) from error
        raise BadInput(
            f"{folder} is in use by {holder}: wait for it, end it, or {otherwise}"
        ) from None
    return lock


def _let_go_in_child() -> None:
    """A forked loader worker may outlive its killed parent for seconds: it must not keep the
    parent's lock.
    """
    for _, lock in _held.values():
        with contextlib.suppress(OSError):
            os.close(lock.fileno())
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
