"""The one writer of files: links, rights, places that cannot be written, what killed runs left."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys

import pytest

from ltr.admin.errors import BadInput
from ltr.io.array_file import write_arrays
from ltr.io.checkpoint import write_checkpoint
from ltr.io.files import (
    CannotWrite,
    DiskFull,
    atomic_folder,
    atomic_write,
    require_place,
    write_text,
)

KILLED_WRITER = """
import os, sys
from ltr.io.files import atomic_write
with atomic_write(sys.argv[1]) as temporary:
    temporary.write_text("a part")
    os._exit(9)
"""


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("link", ["file", "folder", "chain", "dangling"])
def test_links_are_followed(tmp_path, link):
    (tmp_path / "shared").mkdir()
    (tmp_path / "mine").mkdir()
    target = tmp_path / "shared/few.csv"
    path = tmp_path / "mine/few.csv"
    if link != "dangling":
        target.write_text("old")
    if link == "folder":
        path = tmp_path / "mine/place/few.csv"
        path.parent.symlink_to(tmp_path / "shared")
    elif link == "chain":
        (tmp_path / "between").symlink_to("shared/few.csv")
        path.symlink_to("../between")
    else:
        path.symlink_to("../shared/few.csv")
    write_text(path, "new")
    assert target.read_text() == "new" and path.read_text() == "new"
    assert link == "folder" or path.is_symlink()
    assert not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_hands_on_mode_and_group(tmp_path, mode):
    path = tmp_path / "boxes.csv"
    path.write_text("old")
    group = next((item for item in os.getgroups() if item != os.getgid()), os.getgid())
    if os.getuid() == 0:
        os.chown(path, 4242, 4243)
    else:
        os.chown(path, -1, group)
    path.chmod(mode)
    before = path.stat()
    write_text(path, "new")
    after = path.stat()
    assert path.read_text() == "new" and mode_of(path) == mode
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o002])
def test_all_kinds_of_new_files_have_the_same_rights(tmp_path, mask):
    """Writers of other packages make files that only their owner can read."""
    import numpy as np
    import torch

    earlier = os.umask(mask)
    try:
        write_text(tmp_path / "text", "")
        write_arrays(tmp_path / "arrays.safetensors", {"a": np.zeros(3, np.float32)}, {})
        write_checkpoint(tmp_path / "net.pth.tar", {"net": {"a": torch.zeros(3)}})
        write_checkpoint(tmp_path / "net.safetensors", {"net": {"a": torch.zeros(3)}})
        with atomic_write(tmp_path / "token", private=True) as temporary:
            temporary.write_text("secret")
    finally:
        os.umask(earlier)
    modes = {path.name: mode_of(path) for path in tmp_path.iterdir()}
    assert modes.pop("token") == 0o600
    assert set(modes.values()) == {0o666 & ~mask}


def test_a_read_only_file_is_kept_even_by_the_superuser(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("drawn")
    path.chmod(0o444)
    with pytest.raises(CannotWrite, match=r"boxes.csv is read-only and was kept; name another"):
        write_text(path, "new")
    with pytest.raises(CannotWrite, match="is read-only"):
        require_place(path)
    assert path.read_text() == "drawn"


PLACES = {
    "below a file": ("file/out.csv", "file is a file, not a folder; name another place"),
    "deep below a file": ("file/a/b/out.csv", "file is a file, not a folder"),
    "a folder": ("folder", "is a folder, but a file is written there; name a file in it"),
    "a long name": (250 * "é" + ".csv", "give it a shorter name"),
    "a loop of links": ("loop/out.csv", "cannot be written"),
    "no place for folders": ("/proc/out/out.csv", r"/proc/out/out.csv cannot be written"),
    "a zero byte": ("a\0b", "cannot be written"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_cannot_be_written_is_a_sentence_at_once_and_later(name, tmp_path):
    place, sentence = PLACES[name]
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    for act in (require_place, lambda path: write_text(path, "x")):
        with pytest.raises(CannotWrite, match=sentence) as caught:
            act(tmp_path / place)
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 240 + ".csv"])
def test_the_longest_names_are_written(name, tmp_path):
    require_place(tmp_path / name)
    write_text(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_looking_at_a_place_leaves_nothing_there(tmp_path):
    require_place(tmp_path / "a/b/out.csv")
    require_place(tmp_path / "c/d", is_folder=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="file is a file, but a folder is written there"):
        require_place(tmp_path / "file", is_folder=True)


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_errors_of_the_disk_are_sentences_about_the_file(number, tmp_path, monkeypatch):
    code = getattr(__import__("errno"), number)

    def refuse(source, target):
        raise OSError(code, os.strerror(code), str(source), None, str(target))

    (tmp_path / "out.csv").write_text("old")
    monkeypatch.setattr(os, "replace", refuse)
    expected = DiskFull if number in ("ENOSPC", "EDQUOT") else CannotWrite
    with pytest.raises(expected, match=re.escape(str(tmp_path / "out.csv"))):
        write_text(tmp_path / "out.csv", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_errors_that_are_not_about_the_file_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"), atomic_write(tmp_path / "out") as path:
        (path.parent.parent / "absent").read_text()
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder") as path:
        (path / "file").write_text(str(1 / 0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["boxes.csv", "[odd]*.csv", "x" * 255])
def test_what_a_killed_writer_left_is_gone_at_the_next_start(name, tmp_path):
    path = tmp_path / name
    path.write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    assert killed.returncode == 9 and len(list(tmp_path.iterdir())) == 2
    require_place(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_gets_the_content_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        require_place(pipe)
        write_text(pipe, "through the pipe")
        assert os.read(reader, 100) == b"through the pipe"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_disk_full_and_other_refusals_are_bad_input():
    assert issubclass(DiskFull, BadInput) and issubclass(CannotWrite, OSError)
