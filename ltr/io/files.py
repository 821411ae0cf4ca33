"""Write files that are either whole or absent: beside their place, flushed to disk, then renamed.

Every file that this toolkit writes goes through `atomic_write`, every new folder of files through
`atomic_folder`. They follow symbolic links, keep the rights of a file that they replace, leave a
read-only file alone, and ask the guard of the running command (`ltr.io.outputs`) whether the file
may be replaced.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ltr.admin.errors import BadInput, in_short
from ltr.io import outputs

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
# Bytes of a file's name, on every file system in use.
_LONGEST_NAME = 255
# What a file that cannot be written is told, beside the system's words, by the kind of error.
_ADVICE = {
    errno.EROFS: "name a place on another disk",
    errno.EACCES: "name another place, or have its rights changed",
    errno.EPERM: "name another place, or have its rights changed",
    errno.EMFILE: "close other programs, or raise the limit with ulimit -n",
}
# Written to a place before the work, so that a disk without room is noticed; one block of most
# file systems.
_PROBE_BYTES = 4096


class CannotWrite(BadInput, OSError):
    """A file cannot be written at its place."""

    def __init__(self, message: str, error: OSError | None = None):
        super().__init__(message)
        self.errno = None if error is None else error.errno
        self.strerror = None if error is None else error.strerror

    def __str__(self) -> str:
        return str(self.args[0])


class DiskFull(CannotWrite):
    """There is no room left for a file."""

    def __init__(self, path: str | os.PathLike | None, what_next: str):
        where = "a file" if path is None else path
        super().__init__(
            f"{where} could not be written, its disk is full: free space there and {what_next}"
        )
        self.path = path


def is_disk_full(error: BaseException) -> bool:
    """Say whether `error` means that the disk, or the user's share of it, is full.

    Writers of other packages hide its number: then its text decides.
    """
    if isinstance(error, DiskFull) or getattr(error, "errno", None) in _NO_ROOM:
        return True
    if isinstance(error, BadInput):
        return False
    return any(os.strerror(number) in str(error) for number in _NO_ROOM)


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike, private: bool = False, suffix: str = ".tmp"
) -> Iterator[Path]:
    """Yield an empty temporary file beside `path`; on success flush it and rename it over `path`.

    A crash at any moment leaves the old file or the new one, never a part. On an exception the
    temporary file is removed and `path` stays as it was; DiskFull when there is no room for it,
    CannotWrite for every other reason. The parent folder is made when absent. A symbolic link is
    followed, so the file it points to is written. A new file has the usual rights; a file that is
    replaced hands on its mode, group and owner. With `private` it is its owner's only, and a link
    is replaced: somebody else may have put it there. A device or pipe (`/dev/stdout`) gets the
    whole content at the end. `suffix` ends the temporary name, for writers that read it.
    """
    path = Path(path)
    if not private and _is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / f"content{suffix}"
            temporary.touch()
            yield temporary
            with open(temporary, "rb") as content, open(path, "wb") as stream:
                shutil.copyfileobj(content, stream)
        return
    target = path if private else _replaceable(path)
    temporary = _temporary_beside(target, suffix)
    with _told(path, temporary):
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _create(temporary, 0o600 if private else 0o666)
        yield temporary
        _hand_on_rights(target, temporary, mode, private)
        _flush(temporary)
        outputs.record(target, temporary)
        os.replace(temporary, target)
        _flush(target.parent)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success rename it to `path`.

    `path` must be absent or an empty folder. The whole disk is flushed once: file by file,
    thousands of small files would take minutes. On an exception nothing is left.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    temporary = _temporary_beside(target, ".tmp")
    with _told(path, temporary):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        outputs.record_folder(target, temporary)
        if hasattr(os, "sync"):
            os.sync()
        os.replace(temporary, target)
        _flush(target.parent)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` in one step (see `atomic_write`)."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def require_place(path: str | os.PathLike, is_folder: bool = False) -> None:
    """Raise CannotWrite unless `path` can be written, so that it is told before work begins.

    A folder (of the file, or the one that `path` names) and a file in it are made and removed
    again. Temporary files that killed processes left there are removed for good.
    """
    path = Path(path)
    if _is_stream(path):
        return
    # Unlike the methods of Path these have an answer for names that are too long, too.
    if is_folder and not os.path.exists(path):
        folder = path
    elif is_folder:
        folder = Path(os.path.realpath(path))
        if not folder.is_dir():
            raise CannotWrite(f"{path} is a file, but a folder is written there; name another one")
    else:
        folder = _replaceable(path).parent
    probe = folder / f".place.{os.getpid()}.tmp"
    made: list[Path] = []
    try:
        with _told(path, probe):
            made = _make_folders(folder)
            probe.write_bytes(bytes(_PROBE_BYTES))
            _flush(probe)
    finally:
        for new_folder in reversed(made):
            with contextlib.suppress(OSError):
                new_folder.rmdir()
    if folder.is_dir():
        remove_abandoned(folder, "*" if is_folder else path.name, is_deep=False)


def require_replaceable(path: str | os.PathLike) -> None:
    """Raise CannotWrite or Kept where a file at `path` must not be replaced or removed."""
    _replaceable(Path(path))


def require_room(folder: str | os.PathLike, size: int) -> None:
    """Raise DiskFull unless the disk of `folder`, which exists, has `size` bytes left.

    For writers that take a full disk badly.
    """
    if shutil.disk_usage(folder).free < size:
        raise DiskFull(Path(folder) / "…", "start again; what was written before is whole")


def remove_abandoned(
    folder: str | os.PathLike, of: str = "*", hours: float = 0, is_deep: bool = True
) -> None:
    """Remove temporary files of `atomic_write` in `folder` whose process was killed.

    They are those for files called `of`; with `is_deep` folders below are searched, too. Where
    processes of other machines may write meanwhile, which cannot be asked, `hours` spares younger
    files.
    """
    name = of if of == "*" else glob.escape(_shortened(of))
    pattern = f".{name}.*.tmp*"
    folder = Path(folder)
    for path in folder.rglob(pattern) if is_deep else folder.glob(pattern):
        match = re.search(r"\.(\d+)\.tmp(\.\w+)?$", path.name)
        if match is None or _runs_elsewhere(int(match[1])):
            continue
        # Another process may tidy up, too.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
            if time.time() - path.stat().st_mtime >= 3600 * hours:
                path.unlink()


def _runs_elsewhere(pid: int) -> bool:
    """Say whether another process than this one has the number.

    In containers the successor of a killed process often has its number again.
    """
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    # Not ours to signal, or a system without this question.
    except OSError:
        pass
    return True


def _is_stream(path: Path) -> bool:
    """Say whether `path` is a device or a pipe, which cannot be replaced by a file."""
    if path.absolute().parts[1:2] == ("dev",):
        return path.exists() and "shm" not in path.parts
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _replaceable(path: Path) -> Path:
    """Return the file that `path` stands for, behind its links; raise where it must stay."""
    earlier = None
    try:
        target = Path(os.path.realpath(path))
        earlier = target.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None
    if earlier is not None and stat.S_ISDIR(earlier.st_mode):
        raise CannotWrite(f"{path} is a folder, but a file is written there; name a file in it")
    outputs.check(target)
    # The mode says that the file shall stay, even to the superuser, whom the system lets write it.
    if earlier is not None and not earlier.st_mode & 0o222:
        raise CannotWrite(
            f"{path} is read-only and was kept; name another file, or make it writable with "
            "chmod u+w"
        )
    return target


def _temporary_beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{_shortened(target.name)}.{os.getpid()}{_with_tmp(suffix)}")


def _with_tmp(suffix: str) -> str:
    return suffix if suffix.startswith(".tmp") else f".tmp{suffix}"


def _shortened(name: str) -> str:
    """Cut a name so that the temporary name around it is not too long."""
    # Room for two dots, a process number, `.tmp` and a suffix.
    room = _LONGEST_NAME - 32
    return os.fsdecode(os.fsencode(name)[:room])


def _create(temporary: Path, mode: int) -> int:
    """Make an empty file and return the mode that the system gave it, after its mask."""
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _hand_on_rights(target: Path, temporary: Path, mode: int, private: bool) -> None:
    """Give `temporary` the rights of the file that it replaces, or `mode` where there is none."""
    if not private and target.exists():
        earlier = target.stat()
        mode = stat.S_IMODE(earlier.st_mode)
        # Only the superuser gives files away; a group must be one of the user's.
        for owner, group in ((-1, earlier.st_gid), (earlier.st_uid, -1)):
            with contextlib.suppress(OSError, AttributeError):
                os.chown(temporary, owner, group)
    with contextlib.suppress(PermissionError):
        os.chmod(temporary, mode)


def _flush(path: Path) -> None:
    """Write a file, or a folder's list of names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it; return what was made, the highest first."""
    missing = [folder]
    while not os.path.lexists(missing[-1]) and missing[-1] != missing[-1].parent:
        missing.append(missing[-1].parent)
    made = []
    for parent in reversed(missing[:-1]):
        parent.mkdir(exist_ok=True)
        made.append(parent)
    return made


@contextlib.contextmanager
def _told(path: Path, temporary: Path) -> Iterator[None]:
    """Turn errors of writing to `temporary` into a sentence about `path`, and remove it."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise DiskFull(path, "start again; what was written before is whole") from error
        if isinstance(error, OSError) and _is_about(error, path, temporary):
            raise _cannot_write(path, error) from error
        raise
    finally:
        if os.path.isdir(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _is_about(error: OSError, path: Path, temporary: Path) -> bool:
    """Say whether an error names the file, its temporary one, or a folder above them."""
    name = error.filename
    if not isinstance(name, (str, os.PathLike)):
        return False
    place = Path(name)
    return any(
        place == file or place in file.parents or file in place.parents
        for file in (temporary, path, Path(os.path.realpath(path)))
    )


def _cannot_write(path: Path, error: OSError | ValueError) -> CannotWrite:
    if not isinstance(error, OSError):
        return CannotWrite(f"{str(path)!r} cannot be written ({error}); name another place")
    if error.errno == errno.ENAMETOOLONG:
        return CannotWrite(
            f"{in_short(path)} cannot be written ({error.strerror}); give it a shorter name", error
        )
    blocker = next((parent for parent in path.parents if os.path.isfile(parent)), None)
    if blocker is not None:
        return CannotWrite(
            f"{path} cannot be written: {blocker} is a file, not a folder; name another place",
            error,
        )
    advice = _ADVICE.get(error.errno or 0, "name another place")
    return CannotWrite(f"{path} cannot be written ({error.strerror or error}); {advice}", error)
