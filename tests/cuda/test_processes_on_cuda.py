"""Training in two processes keeps NCCL's rules, and gives what one process on the CPU gives."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.spot_ext import test_distributed
from tests.spot_ext.conftest import tree
from tests.spot_ext.test_distributed import assert_same_run, launch, statuses
from tests.support.cuda_rehearsal import rehearsal
from tests.support.cuda_rehearsal.process_group import nccl_rules

__all__ = ["launch", "tree"]

train_on_cpu = test_distributed._train


def train_on_gpu(values: dict[str, str], out: Path, err: Path, arguments: list[str]) -> None:
    """Train in this forked process on one of two rehearsed GPUs; its collectives become a file."""
    with rehearsal(devices=2), nccl_rules() as collectives:
        try:
            train_on_cpu(values, out, err, arguments)
        finally:
            counts = {f"{name} {device}": times for (name, device), times in collectives.items()}
            out.with_suffix(".json").write_text(json.dumps(counts))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["transt_small", "ocean_small"])
def test_two_processes_on_gpus_train_as_one_on_the_cpu(launch, monkeypatch, tmp_path, network):
    (alone,), one = launch("one", NETWORK=network)
    monkeypatch.setattr(test_distributed, "_train", train_on_gpu)
    ended, two = launch("two", 2, NETWORK=network)
    assert (alone.status, statuses(ended)) == (0, [0, 0]), [process.err for process in ended]
    assert_same_run(one, two)
    for rank in range(2):
        counts = json.loads((tmp_path / f"two_{rank}.json").read_text())
        # Gradients and losses travel between GPUs, flags and numbers of the host between hosts.
        assert counts["all_reduce cuda"] > 0
        assert os.environ.get("RANK") is None


def test_nccl_refuses_tensors_of_the_cpu(tmp_path):
    import torch
    import torch.distributed as dist

    with rehearsal(), nccl_rules() as collectives:
        store = dist.FileStore(str(tmp_path / "store"), 1)
        dist.init_process_group("nccl", store=store, rank=0, world_size=1)
        try:
            dist.all_reduce(torch.ones(2, device="cuda"))
            with pytest.raises(
                RuntimeError, match="No backend type associated with device type cpu"
            ):
                dist.all_reduce(torch.ones(2))
        finally:
            dist.destroy_process_group()
    assert dict(collectives) == {("all_reduce", "cuda"): 1}
