"""The rehearsal refuses what CUDA refuses, counts what waits, and computes what the CPU computes."""

import copy
import threading

import pytest
import torch
from torch import nn

from tests.support.cuda_rehearsal import rehearsal


@pytest.fixture
def log():
    with rehearsal(devices=2) as log:
        yield log


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda x: x + torch.ones(4, 4), "same device"),
        (lambda x: torch.ones(4, 4).add_(x), "same device"),
        (lambda x: torch.stack([x.sum(), torch.tensor(1.0)]), "same device"),
        (lambda x: x.to("cuda:1") + x, "same device"),
        (lambda x: torch.ones(4, 4)[torch.arange(2, device="cuda")], "indices should be"),
        (lambda x: x.numpy(), "numpy"),
        (lambda x: torch.rand(2, device="cuda", generator=torch.Generator()), "generator"),
        (lambda x: x.to("cuda:2"), "ordinal"),
        (lambda x: x.long() @ x.long(), "not implemented"),
    ],
    ids=[
        "a sum of two devices",
        "in place",
        "scalars in a stack",
        "two GPUs",
        "an index on another device",
        "numpy",
        "a generator of the CPU",
        "a GPU that is not there",
        "a product of integers",
    ],
)
def test_what_cuda_refuses_is_refused(log, act, words):
    with pytest.raises((RuntimeError, TypeError), match=words):
        act(torch.ones(4, 4, device="cuda"))


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda x: x.sum().item(), "item"),
        (lambda x: bool((x > 0).all()), "item"),
        (lambda x: x.tolist(), "to host"),
        (lambda x: x.cpu(), "to host"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: x.nonzero(), "mask"),
        (lambda x: torch.tensor([1.0], device="cuda"), "upload"),
        (lambda x: x[torch.arange(2)], "upload"),
        (lambda x: torch.ones(2).to("cuda", non_blocking=True), "pageable"),
        (lambda x: torch.ones(2).pin_memory().to("cuda", non_blocking=True), "async upload"),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_waits_and_uploads_are_counted_once_by_their_line(log, act, kind, inference):
    x = torch.ones(4, 4, device="cuda")
    with torch.inference_mode(inference):
        act(x)
    [((noted_kind, place), times)] = log.items()
    assert (noted_kind, times) == (kind, 1)
    assert "test_cuda_rules.py:" in place


def test_counting_gives_the_waits_of_a_block(log):
    x = torch.ones(4, device="cuda")
    x.sum().item()
    with log.counting() as block:
        for _ in range(2):
            x.cpu()
        torch.ones(2).pin_memory().to("cuda", non_blocking=True)
    assert (block.waits(), block.uploads(), log.waits()) == (2, 1, 3)


def test_another_thread_is_watched_and_has_its_own_current_device(log):
    devices = []

    def read_in_thread() -> None:
        devices.append(torch.ones(1, device="cuda").device)
        torch.ones(1, device="cuda:1").item()

    torch.cuda.set_device(1)
    thread = threading.Thread(target=read_in_thread)
    thread.start()
    thread.join()
    assert devices == [torch.device("cuda:0")]
    assert torch.ones(1, device="cuda").device == torch.device("cuda:1")
    assert log.count("item") == 1


@pytest.mark.parametrize("fused", [False, True])
def test_training_is_that_of_the_cpu(log, fused):
    torch.manual_seed(0)
    cpu_net = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 2),
    )
    gpu_net = copy.deepcopy(cpu_net).cuda()
    images = torch.randn(5, 3, 8, 8)
    for net, device in ((cpu_net, "cpu"), (gpu_net, "cuda")):
        is_fused = True if device == "cpu" else fused
        optimizer = torch.optim.AdamW(net.parameters(), fused=is_fused, lr=1e-2)
        for _ in range(2):
            optimizer.zero_grad()
            net(images.to(device)).square().sum().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
    twin = copy.deepcopy(gpu_net)
    gradients = [parameter.grad for parameter in gpu_net.parameters()]
    for tensor in (*gpu_net.state_dict().values(), *twin.state_dict().values(), *gradients):
        assert tensor.is_cuda
    for name, value in cpu_net.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[name].cpu(), value)


def test_autocast_keeps_in_fp32_what_cuda_does(log):
    x, layer = torch.randn(2, 8, device="cuda"), nn.Linear(8, 8).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        y = layer(x)
        assert torch.is_autocast_enabled("cuda")
        assert not torch.is_autocast_enabled("cpu")
        assert y.dtype == torch.bfloat16
        assert nn.functional.layer_norm(y, (8,)).dtype == torch.float32
        assert y.exp().dtype == torch.float32
        assert y.softmax(-1).dtype == torch.float32
        with torch.autocast("cuda", enabled=False):
            assert layer(x).dtype == torch.float32
        assert layer(x).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float32


def test_tf32_rounds_what_convolutions_read():
    torch.manual_seed(0)
    images, layer = torch.randn(1, 3, 16, 16), nn.Conv2d(3, 8, 3)
    exact = layer(images)
    with rehearsal(tf32=True):
        rounded = layer.cuda()(images.cuda()).cpu()
        with torch.backends.cudnn.flags(allow_tf32=False):
            unrounded = layer(images.cuda()).cpu()
    error = (rounded - exact).abs().max() / exact.abs().max()
    assert 2**-16 < error < 2**-9
    assert torch.equal(unrounded, exact)


@torch.inference_mode()
def test_a_graph_is_what_was_captured_on_the_current_device(log):
    x = torch.ones(3, device="cuda")
    of_another_device = torch.ones(3, device="cuda:1")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = (x * 2).view(3, 1) + 1
        not_captured = of_another_device * 2
    x.fill_(5)
    of_another_device.fill_(5)
    graph.replay()
    assert y.flatten().tolist() == [11] * 3
    assert not_captured.tolist() == [2] * 3
    with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        x.sum().item()


def test_nothing_is_left_behind():
    before = (torch.cuda.is_available(), torch.autocast, nn.functional.layer_norm)
    with rehearsal():
        pass
    assert before == (torch.cuda.is_available(), torch.autocast, nn.functional.layer_norm)
    assert torch.ones(1).device.type == "cpu"
    assert torch.ones(2).add(1).tolist() == [2, 2]
    assert not torch.ones(1).is_cuda
