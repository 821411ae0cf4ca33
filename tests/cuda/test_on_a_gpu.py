"""Training and tracking on a real GPU, next to the CPU; run with `python -m pytest -m gpu`."""

from __future__ import annotations

import pytest
import torch

from spot_ext.training import recipe
from tests.cuda.test_tracking_on_cuda import (
    NETWORKS,
    assert_near,
    follow,
    images,
    network_files,
    no_kept_networks,
)
from tests.cuda.test_training_on_cuda import QUICK, networks
from tests.support.small_recipes import small_recipe

__all__ = ["images", "network_files", "no_kept_networks"]

pytestmark = pytest.mark.gpu

# A GPU sums in another order than a CPU, and after a few updates weights differ in the fourth
# digit. Losses of a wrong computation differ in the first.
LOSS_TOLERANCE = {"fp32": 0.01, "tf32": 0.02, "bf16": 0.05}

# cuDNN and cuBLAS may choose another kernel for a resumed run.
RESUME_TOLERANCE = 1e-3


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("precision", LOSS_TOLERANCE)
def test_losses_are_near_those_of_the_cpu(name, precision, make_settings, tree):
    config = small_recipe(name, tree)
    cpu = recipe.train(make_settings("cpu", device="cpu"), config)
    gpu = recipe.train(make_settings("gpu", device="cuda"), config.replace(precision=precision))
    expected = cpu.stats["train"]["Loss/total"].history
    losses = gpu.stats["train"]["Loss/total"].history
    assert losses == pytest.approx(expected, rel=LOSS_TOLERANCE[precision])


@pytest.mark.parametrize("name", QUICK)
def test_a_resumed_run_is_near_an_uninterrupted_one(name, make_settings, tree):
    config = small_recipe(name, tree)
    whole = recipe.train(make_settings("whole", device="cuda"), config)
    first = recipe.make_trainer(make_settings("parts", device="cuda"), config)
    first.train(1, load_latest=True, fail_safe=False)
    resumed = recipe.train(make_settings("parts", device="cuda"), config)
    expected = networks(whole)
    for key, value in networks(resumed).items():
        torch.testing.assert_close(
            value, expected[key], rtol=RESUME_TOLERANCE, atol=RESUME_TOLERANCE, msg=key
        )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("graphs", [False, True])
def test_boxes_are_near_those_of_the_cpu(network, precision, graphs, network_files, images, caplog):
    file = network_files[network]
    expected, _ = follow(network, file, images, "cpu")
    boxes, _ = follow(network, file, images, "cuda", precision=precision, graphs=graphs)
    assert_near(boxes, expected, precision)
    assert "CUDA graphs are not used" not in caplog.text


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("network", NETWORKS)
def test_graphs_on_the_second_gpu_are_not_stale(network, network_files, images):
    expected, _ = follow(network, network_files[network], images, "cpu")
    boxes, _ = follow(network, network_files[network], images, "cuda:1", graphs=True)
    assert_near(boxes, expected, "fp32")
