"""Runs that are killed, asked to stop, or out of room: what is lost (nothing), and what they
say.
"""

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from ltr.admin.errors import BadInput
from spot_ext.training.pseudo_labels import PseudoLabelStore
from tests.support import killing

REPO = Path(__file__).resolve().parents[2]
ENDS = {
    "burnin": -signal.SIGPROF,
    "sparse": -signal.SIGPROF,
    "writing": -signal.SIGKILL,
    "asked": 143,
}
KINDS = {
    "one of each": (0, "sparse writing asked"),
    "30 and more": (1, "burnin sparse writing " * 10 + "asked " * 6),
}
COUNT = "files:"  # how a difference begins that only says which files there are


@pytest.fixture(autouse=True)
def no_local_py(monkeypatch, tmp_path):
    """Data sets keep no index, and nothing depends on the machine's local.py."""
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent" / "local.py"))


@pytest.fixture(scope="module")
def whole(lasting_tree, tmp_path_factory) -> Path:
    """A run that nothing disturbs."""
    workspace = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LTR_LOCAL", str(workspace / "absent" / "local.py"))
        killing.train(lasting_tree, workspace)
    return workspace


def run_folder(workspace: Path) -> Path:
    return workspace / "checkpoints" / "toy"


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [
        pytest.param(*value, id=name, marks=[pytest.mark.slow] if "more" in name else [])
        for name, value in KINDS.items()
    ],
)
def test_a_run_that_ends_at_any_moment_goes_on_as_if_nothing_had_happened(
    lasting_tree, tmp_path, seed, kinds
):
    """Networks, optimiser, store and history are equal bit for bit, and nothing is left lying
    around.
    """
    command = [
        sys.executable,
        "-m",
        "tests.support.killing",
        str(lasting_tree),
        str(tmp_path / "runs"),
        *kinds.split(),
    ]
    done = subprocess.run(
        [*command, "--seed", str(seed)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [run["kind"] for run in runs] == kinds.split()
    for run in runs:
        ends = (
            {ENDS[run["kind"]], -signal.SIGTERM} if run["kind"] == "asked" else {ENDS[run["kind"]]}
        )  # before training begins
        assert run["status"] in ends and (run["again"], run["differences"]) == (0, []), run


@pytest.fixture
def stopped(lasting_tree, tmp_path, monkeypatch):
    """A run that was asked to stop after an iteration of an epoch (both from 1)."""

    def until(epoch: int, iteration: int, **changes) -> Path:
        from spot_ext.training import epoch_run

        record = epoch_run.EpochProgress.step

        def step(progress, number, *arguments):
            record(progress, number, *arguments)
            if progress.prefix.endswith(f" {epoch} / {killing.EPOCHS}") and number == iteration:
                os.kill(os.getpid(), signal.SIGTERM)

        with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
            patched.setattr(epoch_run.EpochProgress, "step", step)
            killing.train(lasting_tree, tmp_path / "run", **changes)
        assert ended.value.code == 143
        return tmp_path / "run"

    return until


@pytest.mark.parametrize(
    ("epoch", "iteration", "file"),
    [(1, 2, "TransT_ep0001_i0002"), (3, 1, "TransT_ep0003_i0001"), (1, 3, "TransT_ep0001_s")],
    ids=["in burn-in", "in the sparse stage", "after the last iteration of an epoch"],
)
def test_sigterm_writes_what_the_same_command_goes_on_from(
    stopped, lasting_tree, whole, capsys, epoch, iteration, file
):
    workspace = stopped(epoch, iteration, checkpoint_interval=5)
    out = capsys.readouterr().out
    path = run_folder(workspace) / f"{file}.pth.tar"
    where = (
        f"after epoch {epoch}"
        if iteration == 3
        else f"in epoch {epoch}, after iteration {iteration} of 3"
    )
    assert (
        f"Stopped by SIGTERM {where}. The last checkpoint is {path}; start the same command again"
        in out
    )
    assert (
        path.is_file()
        and "Finished training" not in out
        and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    stopped(4, 2, checkpoint_interval=5)  # a second time, later
    assert [path.name for path in run_folder(workspace).glob("*_i*.pth.tar")] == [
        "TransT_ep0004_i0002.pth.tar"
    ]
    killing.train(lasting_tree, workspace, checkpoint_interval=5)
    assert not list(run_folder(workspace).glob("*_i*.pth.tar"))
    assert [
        text for text in killing.differences(whole, workspace) if not text.startswith(COUNT)
    ] == []


DAMAGES = {
    "student truncated": (
        "TransT_ep0004_s.pth.tar",
        lambda path: path.write_bytes(path.read_bytes()[:-2000]),
    ),
    "student with a flipped bit": ("TransT_ep0004_s.pth.tar", lambda path: _flip(path)),
    "teacher truncated": (
        "TransT_ep0004_t.pth.tar",
        lambda path: path.write_bytes(path.read_bytes()[:500]),
    ),
    "teacher missing": ("TransT_ep0004_t.pth.tar", Path.unlink),
    "store damaged": ("store/epoch_0004.safetensors", lambda path: _flip(path, -1)),
    "store missing": ("store/epoch_0004.safetensors", Path.unlink),
}


def _flip(path: Path, place: int | None = None) -> None:
    """Change one bit: at `place`, or in the largest tensor of a checkpoint."""
    content = bytearray(path.read_bytes())
    if place is None:
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        start = largest.header_offset
        place = (
            start
            + 30
            + sum(struct.unpack("<HH", content[start + 26 : start + 30]))
            + largest.file_size // 2
        )
    content[place] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_leads_back_one_epoch(lasting_tree, whole, tmp_path, capsys, name, damage):
    shutil.copytree(whole, tmp_path / "run")
    file = run_folder(tmp_path / "run") / name
    damage(file)
    killing.train(lasting_tree, tmp_path / "run")
    out = capsys.readouterr().out
    assert (
        out.count("Going back one checkpoint: ") == 1
        and "[sparse: 4 / 4, 3 / 3]" in out
        and "[sparse: 3" not in out
    )
    assert str(file) in out or "epoch 4" in out
    assert killing.differences(whole, tmp_path / "run") == []


def test_a_damaged_interrupted_epoch_is_done_from_its_start(stopped, lasting_tree, whole, capsys):
    workspace = stopped(3, 2)
    file = run_folder(workspace) / "TransT_ep0003_i0002.pth.tar"
    _flip(file)
    killing.train(lasting_tree, workspace)
    assert f"Going back one checkpoint: {file} is damaged" in capsys.readouterr().out
    assert killing.differences(whole, workspace) == []


# Disks that are full


@pytest.fixture
def small_disk(whole, tmp_path):
    """A disk that holds a run twice, for which tests need the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = 2 * sum(path.stat().st_size + 4096 for path in whole.rglob("*"))
    made = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if sys.platform == "linux"
        else None
    )
    if made is None or made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr if made else sys.platform}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path, left: int) -> Path:
    """A file that leaves `left` bytes of the disk."""
    ballast = folder / "ballast"
    status = os.statvfs(folder)
    ballast.write_bytes(b"x" * max(0, status.f_bavail * status.f_frsize - left))
    return ballast


@pytest.mark.parametrize(
    ("left", "teachers"), [(0, 0), (60_000, 0), (60_000, 1)], ids=["anything", "teacher", "student"]
)
def test_a_full_disk_is_one_sentence_and_costs_the_epoch_at_most(
    lasting_tree, whole, small_disk, left, teachers
):
    """Named by what there is no room for."""
    left += teachers * (run_folder(whole) / "TransT_ep0003_t.pth.tar").stat().st_size
    workspace = small_disk / "run"
    shutil.copytree(whole, workspace)
    for file in [
        *run_folder(workspace).glob("*_ep0004_*"),
        run_folder(workspace) / "store" / "epoch_0004.safetensors",
    ]:
        file.unlink()
    before = {path: path.read_bytes() for path in run_folder(workspace).glob("*.pth.tar")}
    ballast = _fill(small_disk, left)
    with pytest.raises(
        BadInput, match="could not be written, its disk is full: free space there"
    ) as raised:
        killing.train(lasting_tree, workspace)
    last = (
        f"The last checkpoint is {run_folder(workspace) / 'TransT_ep0003_s.pth.tar'}; start "
        "the same command again"
    )
    assert "\n" not in str(raised.value) and (not left or last in str(raised.value))
    assert not list(small_disk.rglob("*.tmp"))
    assert {path: path.read_bytes() for path in run_folder(workspace).glob("*.pth.tar")} == before
    PseudoLabelStore.open(run_folder(workspace) / "store", 3)
    ballast.unlink()
    killing.train(lasting_tree, workspace)
    assert killing.differences(whole, workspace) == []


# Two at once


def test_a_second_run_in_the_folder_is_refused_before_it_writes_anything(lasting_tree, tmp_path):
    from ltr.io import run_lock

    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException), run_lock.lock_folder(run_folder(tmp_path / "ws")):
            (tmp_path / "taken").touch()
            signal.pause()
        os._exit(0)
    try:
        for _ in range(3000):
            if (tmp_path / "taken").exists():
                break
            time.sleep(0.01)
        with pytest.raises(
            BadInput,
            match=rf"toy is in use by process {child} on .*: wait for it, end it, or give this run",
        ):
            killing.train(lasting_tree, tmp_path / "ws")
        assert [path.name for path in (tmp_path / "ws").rglob("*") if path.is_file()] == [
            "run.lock"
        ]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    killing.train(lasting_tree, tmp_path / "ws", epochs=1, burn_in_epochs=1, iterations=1)


# A whole cluster job: the signal reaches the loader's workers, too


@pytest.mark.slow
def test_sigterm_to_all_processes_of_a_run_with_workers(lasting_tree, whole, tmp_path):
    code = (
        f"from tests.support import killing; from pathlib import Path\n"
        f"if __name__ == '__main__': killing.train(Path({str(lasting_tree)!r}), "
        f"Path({str(tmp_path / 'run')!r}), 2)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPO,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in run.stdout:
        if line.startswith("[sparse: 3 / 4, 1 / 3]"):
            os.killpg(run.pid, signal.SIGTERM)
            break
    said = run.stdout.read()
    assert run.wait(60) == 143 and "Stopped by SIGTERM" in said
    assert list(run_folder(tmp_path / "run").glob("*_i*.pth.tar")) or "after epoch 3" in said
    killing.train(lasting_tree, tmp_path / "run")
    assert killing.differences(whole, tmp_path / "run") == []
