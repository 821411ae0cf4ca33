"""Damage in a run's folder and want of memory: told in a sentence, and no epoch is lost for it."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from types import SimpleNamespace

import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.io.array_file import open_arrays
from ltr.parallel import loader_workers
from ltr.trainers.base_trainer import BaseTrainer
from spot_ext.training import history
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.trainer import changed_settings
from tests.support import killing


@pytest.fixture(autouse=True)
def no_local_py(monkeypatch, tmp_path):
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent" / "local.py"))


@pytest.fixture(scope="module")
def whole(lasting_tree, tmp_path_factory):
    """A run of four epochs that nothing disturbs."""
    workspace = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LTR_LOCAL", str(workspace / "absent" / "local.py"))
        killing.train(lasting_tree, workspace)
    return workspace


@pytest.fixture
def run(whole, tmp_path):
    """The same before its last epoch."""
    shutil.copytree(whole, tmp_path / "run")
    folder = tmp_path / "run/checkpoints/toy"
    for file in (*folder.glob("*_ep0004_*"), folder / "store/epoch_0004.safetensors"):
        file.unlink()
    return folder


def flip(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 16
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


DAMAGES = {
    "a bit of the index": ("store/index.safetensors", flip, "index.safetensors' is damaged"),
    "the index is gone": ("store/index.safetensors", os.unlink, "no pseudo-label store in"),
    "the index is empty": ("store/index.safetensors", lambda p: p.write_bytes(b""), "is damaged"),
    "a bit of the labels": ("store/epoch_0000.safetensors", flip, "is damaged"),
    "the labels are gone": ("store/epoch_0000.safetensors", os.unlink, "no pseudo-labels of epoch"),
    "a byte of the history": ("history.jsonl", lambda p: p.open("ab").write(b"\xff"), "damaged"),
    "the history is cut": ("history.jsonl", cut_short, "it was put aside as history.jsonl.damaged"),
    "zeros in the history": (
        "history.jsonl",
        lambda p: p.open("ab").write(bytes(100)),
        "is damaged (line ",
    ),
    "a number in the history": ("history.jsonl", lambda p: p.open("ab").write(b"7\n"), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_small_damage_is_mended_and_costs_no_epoch(
    name, run, whole, lasting_tree, capsys, caplog, tmp_path
):
    file, damage, says = DAMAGES[name]
    damage(run / file)
    with caplog.at_level(logging.INFO):
        killing.train(lasting_tree, tmp_path / "run")
    assert says in caplog.text and "going on after epoch 3 of 4" in caplog.text
    assert "Going back" not in capsys.readouterr().out
    (run / "history.jsonl.damaged").unlink(missing_ok=True)
    left = [line for line in killing.differences(whole, tmp_path / "run") if "history" not in line]
    assert left == []
    assert len(history.read(run)) >= 3


def test_a_store_of_other_labels_is_not_mended(run, lasting_tree, tmp_path):
    """Versions are never removed while there are checkpoints."""
    before = sorted(path.name for path in (run / "store").iterdir())
    (run / "store/epoch_0000.safetensors").unlink()
    with pytest.raises(
        BadValue, match=r"were made for other labels than this run's; use the label"
    ):
        killing.train(lasting_tree, tmp_path / "run", k=2)
    left = sorted(path.name for path in (run / "store").iterdir())
    assert left == [name for name in before if name != "epoch_0000.safetensors"]


WRONG_FILES = {
    "the teacher's file": lambda run, path: shutil.copy(run / "TransT_ep0003_t.pth.tar", path),
    "another epoch": lambda run, path: shutil.copy(run / "TransT_ep0002_s.pth.tar", path),
    "a folder": lambda run, path: (path.unlink(), path.mkdir()),
    "nothing in it": lambda run, path: path.write_bytes(b""),
    "text": lambda run, path: path.write_text("a note"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_at_a_checkpoints_place_leads_back_one_epoch(
    name, run, lasting_tree, capsys, tmp_path
):
    path = run / "TransT_ep0003_s.pth.tar"
    WRONG_FILES[name](run, path)
    if name == "a folder":
        with pytest.raises(BadInput, match="is a folder, but a file is written there"):
            killing.train(lasting_tree, tmp_path / "run")
    else:
        killing.train(lasting_tree, tmp_path / "run")
    out = capsys.readouterr().out
    assert out.count("Going back one checkpoint: ") == 1 and str(path) in out
    assert "Traceback" not in out


def test_settings_that_differ_from_the_checkpoints_are_named(run, lasting_tree, caplog, tmp_path):
    killing.train(lasting_tree, tmp_path / "run")
    assert "settings that differ" not in caplog.text
    killing.train(lasting_tree, tmp_path / "run", epochs=5, optim={"weight_decay": 0.5})
    [line] = [text for text in caplog.messages if "settings that differ" in text]
    assert "epochs 4 -> 5" in line and "optim.weight_decay 0.0001 -> 0.5" in line
    assert line.count("->") == 2


def test_changed_settings_are_told_by_name():
    before = {"a": 1, "b": {"c": (1, 2), "d": None}, "old": 3}
    now = {"a": 1, "b": {"c": [1, 2], "d": 0.5}, "new": "x"}
    assert changed_settings(before, now) == ["b.d None -> 0.5", "old 3 -> None", "new None -> x"]


def test_files_of_the_store_have_the_rights_of_the_others(whole):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in whole.rglob("*") if path.is_file()}
    assert len(modes) == 1


def test_a_damaged_header_of_a_store_is_a_sentence(run):
    path = run / "store/epoch_0003.safetensors"
    good = path.read_bytes()
    for old, new in (
        (b'"F32"', b'"F23"'),
        (b'"dtype"', b'"dtipe"'),
        (b'"data_offsets":[', b'"data_offsets":{'),
        (b'"shape":[', b'"shape":[9'),
        (b"counts", b"caunts"),
        (b"__metadata__", b"__metadate__"),
    ):
        assert old in good
        path.write_bytes(good.replace(old, new))
        with pytest.raises(BadInput, match="is damaged"):
            PseudoLabelStore.open(run / "store", 3)
    path.write_bytes(b"\xff" * 8 + good[8:])
    with pytest.raises(BadInput, match="its header cannot be read"):
        open_arrays(path)


# Want of memory


def test_shared_memory_that_is_too_small_is_told_when_workers_start(monkeypatch):
    room = SimpleNamespace(f_bavail=16, f_frsize=1 << 20)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    loader_workers.require_shared_memory(1 << 20, 8)
    with pytest.raises(BadInput, match=r"16.0 MB free, but 9 .*--shm-size=36m.*num_workers=8"):
        loader_workers.require_shared_memory(1 << 20, 9)
    with pytest.raises(BadInput, match=r"num_workers=0"):
        loader_workers.require_shared_memory(1 << 30, 1)


def test_a_run_with_workers_asks_for_room(run, lasting_tree, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "spot_ext.training.data.loader.require_shared_memory", lambda *sizes: asked.append(sizes)
    )
    killing.train(lasting_tree, tmp_path / "run", workers=1)
    # Two pairs and three triplets, a triplet with the crops of two pairs.
    assert asked == [((2 + 2 * 3) * (32 * 32 + 64 * 64) * 3, 1)]


FAILURES = {
    "ended": (
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "),
        "a worker that loads data was ended from outside",
    ),
    "gone": (
        RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
        "a worker that loads data was ended from outside",
    ),
    "lost": (
        RuntimeError("DataLoader timed out after 900 seconds"),
        "no worker handed over a batch",
    ),
    "no room": (
        RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space"),
        "--shm-size",
    ),
    "files": (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_trouble_with_workers_is_a_sentence_with_the_last_checkpoint(
    name, run, lasting_tree, tmp_path, monkeypatch
):
    error, says = FAILURES[name]

    def fail(*_):
        raise error

    monkeypatch.setattr(BaseTrainer, "_run_epoch", fail)
    with pytest.raises(BadInput, match=says) as caught:
        killing.train(lasting_tree, tmp_path / "run")
    text = str(caught.value)
    assert "\n" not in text and f"The last checkpoint is {run / 'TransT_ep0003_s.pth.tar'}" in text


def test_other_errors_are_not_taken_for_trouble_with_workers():
    assert loader_workers.worker_failure(RuntimeError("shapes differ")) is None
    assert loader_workers.worker_failure(ValueError("DataLoader timed out")) is None
