"""run_tracker.py and run_experiment.py as a user starts them, from any folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltr.admin.arguments import true_or_false
from pytracking.run_experiment import run_experiment

SCRIPTS = Path(__file__).resolve().parents[2] / "pytracking"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "script, flags",
    [
        (
            "run_tracker.py",
            [
                "tracker_name",
                "tracker_param",
                "--runid",
                "--dataset_name",
                "--sequence",
                "--debug",
                "--threads",
                "--use_visdom",
                "--visdom_server",
                "--visdom_port",
                "--device",
            ],
        ),
        (
            "run_experiment.py",
            ["experiment_module", "experiment_name", "--debug", "--threads", "--device"],
        ),
    ],
)
def test_help_lists_every_flag(machine, script, flags):
    done = run(str(SCRIPTS / script), "-h", cwd=machine.root)
    assert done.returncode == 0 and all(flag in done.stdout for flag in flags)


def test_as_script_in_its_own_folder_with_workers_and_a_failure(got10k, machine):
    done = run(
        "run_tracker.py",
        "moving",
        "failing",
        "--dataset_name",
        "got10k_val",
        "--threads",
        "1",
        "--runid",
        "3",
        cwd=SCRIPTS,
    )
    assert (
        done.returncode == 1
        and "2 of 2 runs failed" in done.stdout
        and "Traceback" not in done.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["0", "2"])
@pytest.mark.parametrize(
    ("send", "number", "status", "said"),
    [
        (os.killpg, signal.SIGINT, 130, "interrupted\n"),
        (os.killpg, signal.SIGTERM, 143, "the same command tracks the rest\n"),
        (os.kill, signal.SIGTERM, 143, "the same command tracks the rest\n"),
    ],
    ids=["Ctrl-C", "SIGTERM to all", "SIGTERM"],
)
def test_interrupt_ends_the_run_and_its_workers_at_once(
    got10k, machine, threads, send, number, status, said
):
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            str(SCRIPTS / "run_tracker.py"),
            "moving",
            "sleeping",
            "--dataset_name",
            "got10k_val",
            "--threads",
            threads,
        ],
        cwd=machine.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    while "Sequence:" not in process.stdout.readline():
        pass
    time.sleep(1)
    send(process.pid, number)
    start = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status and errors.endswith(said) and time.monotonic() - start < 4
    assert not (machine.results_path / "moving" / "sleeping").exists()


def test_as_module_with_a_fresh_local_file(machine):
    machine.local.unlink()
    done = run(
        "-m",
        "pytracking.run_tracker",
        "moving",
        "default",
        "--dataset_name",
        "nope",
        cwd=machine.root,
    )
    assert done.returncode == 1 and machine.local.is_file()
    wrote, error = done.stderr.splitlines()
    assert wrote.startswith("wrote default settings to") and error.startswith(
        "error: Unknown dataset 'nope'"
    )


@pytest.mark.parametrize(
    "module, name, expected",
    [
        (
            "myexpp",
            "x",
            "no experiment file pytracking/experiments/myexpp.py, .*did you mean 'myexp'",
        ),
        ("no.such", "x", "no experiment file"),
        (
            "myexp",
            "my_exprmnt",
            r"myexp\.py has no function my_exprmnt\(\), did you mean 'my_experiment'",
        ),
        ("myexp", "not_a_pair", "must return the pair"),
    ],
)
def test_experiment_that_cannot_run_is_one_sentence(machine, module, name, expected):
    with pytest.raises(Exception, match=expected):
        run_experiment(module, name)


@pytest.mark.parametrize(
    "text, value", [("True", True), ("true", True), ("1", True), ("False", False), ("0", False)]
)
def test_true_or_false(text, value):
    assert true_or_false(text) is value


def test_importing_is_light():
    code = (
        "import sys, pytracking, pytracking.evaluation, pytracking.run_tracker, "
        "pytracking.run_experiment\n"
        "heavy = {'torch', 'matplotlib', 'pandas', 'visdom', 'pytracking.evaluation.local'} & "
        "set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import ltr.admin.tensordict\n"
        "assert pytracking.TensorDict is ltr.admin.tensordict.TensorDict and "
        "callable(pytracking.TensorList)"
    )
    done = run("-c", code, cwd=SCRIPTS.parent)
    assert done.returncode == 0, done.stderr


def test_exports_of_the_package():
    code = (
        "import pytracking\n"
        "assert pytracking.run_tracker.__name__ == 'run_tracker' and "
        "callable(pytracking.run_tracker)\n"
        "assert {'run_tracker', 'TensorList', 'TensorDict'} <= set(dir(pytracking))\n"
        "try:\n    pytracking.no_such\nexcept AttributeError as error:\n    print(error)"
    )
    assert (
        run("-c", code, cwd=SCRIPTS.parent).stdout
        == "module 'pytracking' has no attribute 'no_such'\n"
    )


@pytest.mark.parametrize("device", [None, "cpu"])
def test_device_of_an_experiment_reaches_every_tracker(got10k, machine, monkeypatch, device):
    module = sys.modules[run_experiment.__module__]
    ran = []
    monkeypatch.setattr(module, "run_dataset", lambda data, trackers, *_: ran.extend(trackers))
    run_experiment("myexp", "my_experiment", device=device)
    assert ran and {tracker.device for tracker in ran} == {device}
