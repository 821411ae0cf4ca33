"""Worker processes that die: what they had in hand is done by others, and what kills every worker
takes nothing with it.
"""

import multiprocessing
import pickle
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, NotConfigured
from pytracking.evaluation import Tracker, get_dataset, running, workers
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.workers import RETRIES, Lost, Part, Processes, outcomes


class Mortal:
    """Workers in this process: `fatal` says by a job's name how often they die on it before they do
    it.
    """

    died = (BrokenProcessPool,)

    def __init__(
        self, slots=2, work=lambda part: [f"{job} done" for job in part.jobs], name=str, **fatal
    ):
        self.slots, self.work, self.name, self.fatal, self.given, self.closed = (
            slots,
            work,
            name,
            fatal,
            [],
            [],
        )

    def start(self, part):
        self.given.append(part)
        future = Future()
        if any(self.fatal.get(self.name(job), 0) > part.deaths for job in part.jobs):
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result(self.work(part))
        return future

    def close(self, at_once=False):
        self.closed.append(at_once)


@pytest.mark.parametrize(
    "fatal, lost",
    [
        pytest.param({}, [], id="none dies"),
        pytest.param({"b": 1}, [], id="one dies"),
        pytest.param({"b": RETRIES, "d": 1}, [], id="as often as is tried again"),
        pytest.param({"b": 9}, ["b"], id="always on the same job"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_jobs_of_workers_that_die_are_done_by_others(fatal, lost, size):
    mortal, jobs = Mortal(**fatal), "abcd"
    found = list(outcomes(mortal, [Part(tuple(jobs[i : i + size])) for i in range(0, 4, size)]))
    assert [one for one in found if isinstance(one, Lost)] == [
        Lost(job, RETRIES + 1) for job in lost
    ]
    assert sorted(one for one in found if isinstance(one, str)) == [
        f"{job} done" for job in jobs if job not in lost
    ]
    assert all(len(part.jobs) == 1 for part in mortal.given if part.deaths), (
        "together they could only die together"
    )
    assert mortal.closed == [False]


def test_jobs_are_tried_again_after_all_others():
    mortal = Mortal(slots=1, a=1)
    list(outcomes(mortal, [Part((job,)) for job in "abc"]))
    assert [part.jobs[0] for part in mortal.given] == ["a", "b", "c", "a"]


def test_workers_end_at_once_with_who_waits_for_them():
    mortal = Mortal()
    found = outcomes(mortal, [Part(("a",)), Part(("b",))])
    next(found)
    found.close()
    assert mortal.closed == [True]


@pytest.fixture
def one_dark(machine, trees):
    """A data set of two sequences, of which the first is dark."""
    base = trees.write_got10k(machine.got10k_path / "val", ["bright", "dark"], frames=3)
    for file in (base / "dark").glob("*.jpg"):
        cv2.imwrite(str(file), np.zeros((60, 80, 3), np.uint8))
    (base / "list.txt").write_text("dark\nbright\n")
    return get_dataset("got10k_val")


@pytest.fixture
def killed(one_dark, machine, trees, plugin_folder):
    """A tracker whose process dies on the dark sequence, once."""
    deaths = machine.root / "deaths"
    deaths.write_text("1")
    trees.write_files(
        plugin_folder,
        {
            "parameter/killed/default.py": "from pytracking.parameter.moving.default import "
            "parameters\n",
            "tracker/killed/__init__.py": f"""
import os, pathlib
from pytracking.tracker.moving.moving import Moving

class Killed(Moving):
    def initialize(self, image, info):
        left = pathlib.Path({str(deaths)!r})
        if image.max() < 50 and left.exists():
            left.unlink()
            os._exit(9)
        return super().initialize(image, info)

def get_tracker_class():
    return Killed
""",
        },
    )
    return Tracker("killed", "default")


def boxes(tracker):
    return {
        name: Path(tracker.results_dir, f"{name}.txt").read_text() for name in ("dark", "bright")
    }


def test_a_killed_process_costs_nothing_but_time(one_dark, machine, killed, capsys):
    assert run_dataset(one_dark, [killed], threads=1) == []
    assert not (machine.root / "deaths").exists()
    assert "Finished 2 of 2, 0 left" in capsys.readouterr().out
    assert boxes(killed)["dark"] == boxes(killed)["bright"]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_sequence_that_kills_every_worker_is_named(one_dark, machine, monkeypatch, capsys, batch):
    monkeypatch.setattr(running, "check_batch", lambda trackers, batch: None)
    monkeypatch.setattr(
        running,
        "_track",
        lambda jobs, batch: (
            running.Tracked(seq, tracker, tracker.run_sequence(seq, debug=0))
            for seq, tracker in jobs
        ),
    )
    monkeypatch.setattr(
        running,
        "Processes",
        lambda count, work: Mortal(count, work, lambda job: job[0].name, dark=9),
    )
    tracker = Tracker("moving", "default")
    failures = run_dataset(one_dark, [tracker], threads=2, batch=batch)
    assert [(one.sequence, one.tracker) for one in failures] == [("dark", "moving default")]
    assert f"{RETRIES + 1} worker processes ended unexpectedly" in failures[0].message
    assert [path.name for path in sorted(Path(tracker.results_dir).glob("*.txt"))] == [
        "bright.txt",
        "bright_time.txt",
    ]
    assert "Sequence dark, tracker moving default failed" in capsys.readouterr().out


def test_processes_that_do_not_start_end_the_run(monkeypatch):
    processes = Processes(1, len)
    broken = Future()
    broken.set_exception(BrokenProcessPool("ended"))
    processes._ready[0] = processes._last[0] = broken
    with pytest.raises(BadInput, match="end while they start"):
        processes.start(Part(("a",)))


@pytest.mark.parametrize("slot, gpus, chosen", [(0, 2, 0), (3, 2, 1), (1, 1, None), (1, 0, None)])
def test_processes_are_dealt_to_the_gpus(slot, gpus, chosen, monkeypatch):
    said = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", said.append)
    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    monkeypatch.setattr(workers, "show_messages", lambda level: None)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(cv2, "setNumThreads", lambda count: None)
    workers.start_worker(multiprocessing.Value("i", slot), 1, [], 20)
    assert said == ([] if chosen is None else [chosen])


@pytest.mark.parametrize(
    "options, words", [({"threads": 2}, "--ray and --threads"), ({"debug": 1}, "--ray and --debug")]
)
def test_ray_does_not_go_with(got10k, options, words):
    with pytest.raises(BadInput, match=words):
        run_dataset(
            get_dataset("got10k_val"), [Tracker("moving", "default")], ray="local", **options
        )


def test_ray_is_an_extra(got10k, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        NotConfigured, match=r"--ray needs the package ray: .*pip install .*\[ray\]"
    ):
        run_dataset(get_dataset("got10k_val"), [Tracker("moving", "default")], ray="local")


class Ray:
    """What this package uses of ray, in this process: `deaths` tasks end with their worker
    first.
    """

    def __init__(self, gpus=0, deaths=0):
        self.resources, self.deaths, self.options, self.shut = (
            {"CPU": 2, **({"GPU": gpus} if gpus else {})},
            deaths,
            {},
            0,
        )
        self.cloudpickle, self.put, self.cluster_resources = (
            pickle,
            lambda value: value,
            lambda: self.resources,
        )
        kinds = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")
        self.exceptions = SimpleNamespace(**{name: type(name, (Exception,), {}) for name in kinds})

    def is_initialized(self):
        return False

    def init(self, address, **options):
        if address == "nowhere:1":
            raise ConnectionError("no\n answer")

    def shutdown(self):
        self.shut += 1

    def remote(self, **options):
        self.options = options
        return lambda function: SimpleNamespace(
            remote=lambda *arguments: SimpleNamespace(
                future=lambda: self._future(function, arguments)
            )
        )

    def _future(self, function, arguments):
        future = Future()
        self.deaths -= 1
        if self.deaths >= 0:
            future.set_exception(self.exceptions.NodeDiedError())
        else:
            future.set_result(pickle.loads(pickle.dumps(function(*arguments))))
        return future


@pytest.fixture
def in_ray(monkeypatch):
    def use(ray):
        for name in ("ray", "ray.cloudpickle", "ray.exceptions"):
            monkeypatch.setitem(sys.modules, name, ray)
        monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
        return ray

    return use


@pytest.mark.parametrize("deaths, failed", [(0, []), (2, []), (6, ["bright", "dark"])])
def test_a_cluster_tracks_and_this_process_stores(
    one_dark, machine, in_ray, deaths, failed, monkeypatch
):
    ray, tracker = in_ray(Ray(deaths=deaths)), Tracker("moving", "default")
    failures = run_dataset(one_dark, [tracker], ray="auto")
    assert sorted(one.sequence for one in failures) == failed and ray.shut == 1
    assert ray.options == {"num_cpus": 1, "num_gpus": 0.0, "max_retries": 0}
    stored = {
        path.stem
        for path in Path(tracker.results_dir).glob("*.txt")
        if not path.stem.endswith("_time")
    }
    assert stored == {"bright", "dark"} - set(failed)


@pytest.mark.parametrize(
    "there, device, asked, given",
    [
        (0, None, None, 0),
        (4, None, None, 1),
        (4, "cpu", None, 0),
        (4, None, 0.25, 0.25),
        (4, None, 2, 2),
    ],
)
def test_share_of_a_gpu(one_dark, in_ray, there, device, asked, given):
    ray = in_ray(Ray(gpus=there))
    tracker = Tracker("moving", "default", device=device)
    assert run_dataset(one_dark, [tracker], ray="auto", ray_gpus=asked, quiet=True) == []
    assert ray.options["num_gpus"] == given


@pytest.mark.parametrize(
    "address, there, asked, words",
    [
        ("nowhere:1", 0, None, r"no Ray cluster at 'nowhere:1' \(no answer\)"),
        ("auto", 0, 0.5, "has no GPU"),
        ("auto", 4, 1.5, "a part of 1, or a whole number"),
    ],
)
def test_clusters_that_cannot_be_used(one_dark, in_ray, address, there, asked, words):
    ray = in_ray(Ray(gpus=there))
    with pytest.raises(BadInput, match=words):
        run_dataset(one_dark, [Tracker("moving", "default")], ray=address, ray_gpus=asked)
    assert ray.shut == (address == "auto")


@pytest.mark.slow
def test_two_nodes_give_the_results_of_one_process(one_dark, machine, killed, monkeypatch, capsys):
    """A Ray cluster of two nodes of one core; a worker dies on the way."""
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    (machine.root / "deaths").unlink()
    assert run_dataset(one_dark, [killed]) == []
    expected = boxes(killed)
    (machine.root / "deaths").write_text("1")
    small = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        nodes.add_node(**small)
        with pytest.raises(BadInput, match="has no GPU"):
            run_dataset(one_dark, [killed], ray=nodes.address, ray_gpus=0.5, overwrite=True)
        for file in Path(killed.results_dir).iterdir():
            file.unlink()
        assert run_dataset(one_dark, [killed], ray=nodes.address) == []
    finally:
        nodes.shutdown()
    assert not (machine.root / "deaths").exists() and boxes(killed) == expected
    assert "Finished 2 of 2, 0 left" in capsys.readouterr().out
