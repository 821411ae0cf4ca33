"""ltr.io.run_lock: one run in a folder, and what killed ones left in it."""

import contextlib
import errno
import os
import re
import signal
import threading
import time

import pytest

from ltr.admin.errors import BadInput
from ltr.io import run_lock
from ltr.io.files import remove_abandoned


def forked(work) -> int:
    """A child process that has done `work` and waits."""
    ready, done = os.pipe()
    child = os.fork()
    if not child:
        try:
            with work():
                os.write(done, b".")
                signal.pause()
        finally:
            os._exit(1)
    assert os.read(ready, 1) == b"."
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_another_process_is_refused_with_the_name_of_the_first_until_that_is_killed(tmp_path):
    child = forked(lambda: run_lock.lock_folder(tmp_path / "run"))
    try:
        with pytest.raises(
            BadInput,
            match=rf"{re.escape(str(tmp_path / 'run'))} is in use by process {child} on .*, which "
            r"began \d{4}-.*: wait for it, end it, or turn to another one$",
        ):
            run_lock.lock_folder(tmp_path / "run", "turn to another one").__enter__()
        with run_lock.lock_folder(tmp_path / "other"):
            pass
    finally:
        end(child)
    with run_lock.lock_folder(tmp_path / "run"):
        assert f"process {os.getpid()} " in (tmp_path / "run" / run_lock.FILE).read_text()
    assert not (tmp_path / "run" / run_lock.FILE).exists()


def test_children_of_a_killed_holder_do_not_keep_the_lock(tmp_path):
    """A forked loader worker may live on when its parent was killed."""
    read, write = os.pipe()

    @contextlib.contextmanager
    def holding():
        with run_lock.lock_folder(tmp_path):
            os.write(write, str(forked(contextlib.nullcontext)).encode())
            yield

    holder = forked(holding)
    worker = int(os.read(read, 20))
    end(holder)
    try:
        with run_lock.lock_folder(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)


def test_children_do_not_share_the_lock(tmp_path):
    with run_lock.lock_folder(tmp_path):
        child = os.fork()
        if not child:
            try:
                run_lock.lock_folder(tmp_path).__enter__()
            except BadInput:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_lock_file_that_its_holder_was_just_removing_is_made_again(tmp_path, monkeypatch):
    real, taken = run_lock._lock, []

    def overtaken(path, *others):
        taken.append(real(path, *others))
        if len(taken) == 1:
            path.unlink()
        return taken[-1]

    monkeypatch.setattr(run_lock, "_lock", overtaken)
    with run_lock.lock_folder(tmp_path):
        assert len(taken) == 2 and (tmp_path / run_lock.FILE).exists()


def test_a_block_within_a_block_is_free_and_another_thread_is_not(tmp_path):
    refused = []

    def other():
        try:
            run_lock.lock_folder(tmp_path).__enter__()
        except BadInput as error:
            refused.append(str(error))

    with run_lock.lock_folder(tmp_path):
        with run_lock.lock_folder(tmp_path / "."):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1 and "is in use by" in refused[0]


@pytest.mark.parametrize(
    "number",
    [errno.ENOLCK, errno.EOPNOTSUPP, None],
    ids=["no locks left", "not supported", "no fcntl"],
)
def test_where_there_are_no_locks_a_warning_says_so_and_the_run_goes_on(
    tmp_path, monkeypatch, caplog, number
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    if number is None:
        monkeypatch.setattr(run_lock, "fcntl", None)
    else:
        monkeypatch.setattr(run_lock.fcntl, "flock", refuse)
    (tmp_path / ".x.1.tmp").touch()  # of another run, for all we know
    with run_lock.lock_folder(tmp_path):
        assert (tmp_path / ".x.1.tmp").exists()
    assert (
        caplog.text.count(f"make sure that no other run uses {tmp_path}")
        + caplog.text.count(f"the file system of {tmp_path} has no locks")
        == 1
    )


def test_temporary_files_of_processes_that_are_gone_are_removed(tmp_path):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / "store").mkdir()
    gone = [
        tmp_path / f".net.tar.{child}.tmp",
        tmp_path / "store" / f".x.{child}.tmp",
        tmp_path / f".y.{os.getpid()}.tmp",
    ]
    kept = [
        tmp_path / f".n.{os.getppid()}.tmp",
        tmp_path / "n.tar",
        tmp_path / f"x.{child}.tmp",
        tmp_path / ".notes.tmp",
    ]
    for file in [*gone, *kept]:
        file.touch()
    with run_lock.lock_folder(tmp_path):
        assert [file for file in [*gone, *kept] if file.exists()] == kept
    for name, age, left in (("a", 2, False), ("a", 0.5, True), ("b", 2, True)):
        file = tmp_path / f".{name}.{child}.tmp"
        file.touch()
        os.utime(file, times=(time.time() - 3600 * age,) * 2)
        remove_abandoned(tmp_path, "a", hours=1)
        assert file.exists() is left


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"the folder .*file/run cannot be made \(Not a directory\)"):
        run_lock.lock_folder(tmp_path / "file" / "run").__enter__()
