"""ltr.data.faults: what happens when training meets files that cannot be used."""

import random
import re

import pytest
import torch

from ltr.actors import BaseActor
from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.settings import Settings
from ltr.admin.tensordict import TensorDict
from ltr.data import LTRLoader, faults
from ltr.data.faults import FaultLog, Faulty, TooManyFaults, catching, redraw
from ltr.data.sampler import TransTSampler
from ltr.dataset import Got10k
from ltr.trainers import LTRTrainer


def failing(times, error=BadValue):
    """Fails for the first `times` attempts."""

    def make(attempt):
        if attempt < times:
            raise error(f"image {attempt}.jpg\nis truncated")
        return attempt

    return make


@pytest.mark.parametrize("error", [BadValue, MissingFile, OSError])
def test_what_fails_is_drawn_again_and_named(error, caplog):
    assert redraw(failing(2, error)) == 2
    assert caplog.messages == [
        "drawing another sample: image 0.jpg\nis truncated",
        "drawing another sample: image 1.jpg\nis truncated",
    ]
    caught = catching(lambda: redraw(failing(2, error)))
    assert (
        caught == Faulty(2, ("image 0.jpg is truncated", "image 1.jpg is truncated"))
        and len(caplog.messages) == 2
    )
    assert catching(lambda: redraw(failing(0))) == 0


def test_defects_of_programs_are_not_drawn_over():
    with pytest.raises(TypeError):
        redraw(failing(1, TypeError))
    with pytest.raises(
        BadInput, match=r"50 draws in a row failed, the last one with: image 49.jpg"
    ):
        redraw(failing(99))


def batches(*counts, size=10):
    return [
        Faulty(size, tuple(f"f{n}" for n in range(count))) if count else size for count in counts
    ]


@pytest.mark.parametrize(
    ("share", "counts", "stops_at"),
    [
        (0.0, [0, 0, 1], 3),
        (1.0, [10, 10], None),
        (0.05, [0, 5], None),
        (0.05, [0, 6], 2),
        (0.05, [0] * 20 + [10], None),
        (0.05, [0] * 20 + [12], 21),
        (0.5, [60], 1),
    ],
    ids=[
        "none allowed",
        "all allowed",
        "few at first",
        "many at first",
        "share kept",
        "share passed",
        "most",
    ],
)
def test_a_share_of_the_draws_may_fail(share, counts, stops_at):
    log, passed = FaultLog(share), 0
    try:
        for _ in log.unpack(batches(*counts), lambda size: size):
            passed += 1
    except TooManyFaults as error:
        assert stops_at == passed + 1 and "\n" not in str(error)
        allowed = f"more than the {100 * share:g} % that max_fault_share allows"
        assert re.search(rf"{sum(counts)} of \d+ draws .* {allowed}", str(error))
    else:
        assert stops_at is None
    log.start_epoch()
    assert log.summary() == "" and log.count == 0


def test_summary_and_log_name_each_file_once(caplog):
    log = FaultLog(1)
    assert list(log.unpack(batches(2, 0, 2), lambda size: size)) == [10, 10, 10]
    assert log.summary() == "4 of 34 draws (11.8 %) met 2 unusable files and were replaced"
    assert caplog.messages == ["drawing another sample: f0", "drawing another sample: f1"]


@pytest.mark.parametrize("share", [-0.1, 1.1, "x", True, None])
def test_wrong_shares(share):
    with pytest.raises(BadValue, match="max_fault_share"):
        FaultLog(share)


# Through sampler, loader and trainer


class Actor(BaseActor):
    def __call__(self, data):
        loss = self.net(data["search_images"].float().mean((2, 3))).mean()
        return loss, {"Loss/total": loss.item()}


def crop(data):
    """A processing of our own."""
    return TensorDict(
        search_images=torch.as_tensor(data["search_images"][0][:8, :8]).permute(2, 0, 1),
        search_anno=data["search_anno"][0],
    )


@pytest.fixture
def train(got10k_root, local_py, monkeypatch):
    monkeypatch.setenv("LTR_LOCAL", str(local_py))
    bad = got10k_root / "GOT-10k_Train_000002" / "00000004.jpg"
    bad.write_bytes(bad.read_bytes()[:-200])

    def trained(workers=0, share=None, epochs=2, samples=60, **kwargs):
        settings = Settings()
        settings.project_path, settings.device, settings.print_interval, settings.seed = (
            "ltr/mod/name",
            "cpu",
            4,
            3,
        )
        settings.max_fault_share = share
        sampler = TransTSampler([Got10k(got10k_root)], None, samples, 30, processing=crop)
        loader = LTRLoader(
            "train", sampler, batch_size=8, num_workers=workers, drop_last=True, **kwargs
        )
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        trainer = LTRTrainer(
            Actor(net, None), [loader], torch.optim.SGD(net.parameters(), 1e-3), settings
        )
        trainer.train(epochs)
        return trainer

    trained.bad = bad
    return trained


def test_faults_are_counted_alike_with_any_number_of_workers(train, capsys, caplog):
    alone = train(share=0.2)
    out, count = capsys.readouterr().out, alone.stats["train"][faults.NAME].history
    assert len(count) == 2 and all(count)
    assert f"redrawn: {count[-1]}\n" in out.replace("Finished", "\nFinished")
    assert caplog.text.count(f"image {train.bad} is truncated") == 1
    assert (
        f"train, epoch 2: {count[-1]} of {56 + count[-1]} draws" in caplog.text
        and "met 1 unusable file and" in caplog.text
    )
    helped = train(share=0.2, workers=2, pin_memory=torch.cuda.is_available())
    assert helped.stats["train"][faults.NAME].history == count
    assert torch.equal(alone.actor.net.weight, helped.actor.net.weight)


@pytest.mark.parametrize("workers", [0, 2])
def test_too_many_end_the_training_with_a_sentence(train, workers, capsys):
    for image in train.bad.parent.glob("*.jpg"):
        image.unlink()
    with pytest.raises(
        TooManyFaults,
        match=r"more than the 5 % .* the last one: there is no image .*000002/.*check the data",
    ):
        train(workers=workers, samples=800)
    assert "Restarting" not in capsys.readouterr().out


def test_clean_data_leave_no_trace(train, capsys):
    train.bad.write_bytes(train.bad.with_name("00000005.jpg").read_bytes())
    assert faults.NAME not in train().stats["train"] and "redrawn" not in capsys.readouterr().out


def test_a_loader_alone_never_stops(train, got10k_root):
    train.bad.parent.joinpath("00000001.jpg").write_bytes(b"")
    loader = LTRLoader(
        "x",
        TransTSampler([Got10k(got10k_root, seq_ids=[1])], None, 200, 30, processing=crop),
        batch_size=8,
        seed=0,
    )
    assert sum(len(batch["search_images"]) for batch in loader) == 200 and loader.faults.count > 5


def test_a_sampler_alone_reports(got10k_root, caplog):
    for image in (got10k_root / "GOT-10k_Train_000002").glob("*.jpg"):
        image.unlink()
    random.seed(0)
    sampler = TransTSampler([Got10k(got10k_root)], None, 1, 10)
    assert all(sampler[0]["search_images"][0].shape == (48, 64, 3) for _ in range(9))
    assert "drawing another sample: there is no image" in caplog.text
