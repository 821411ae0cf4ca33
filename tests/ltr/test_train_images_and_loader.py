"""ltr.data.image_loader and loader."""

import gc
import os
import random

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.tensordict import TensorDict
from ltr.data import LTRLoader, image_loader
from ltr.data.loader import MultiEpochLTRLoader, ltr_collate, ltr_collate_stack1

IMAGE = np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8)
LOADERS = ["default_image_loader", "jpeg4py_loader", "jpeg4py_loader_w_failsafe", "opencv_loader"]


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_all_loaders_give_the_same_rgb(tmp_path, name, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), IMAGE[..., ::-1])
    image = getattr(image_loader, name)(str(path))
    assert image.dtype == np.uint8 and image.shape == (12, 16, 3)
    assert np.array_equal(image, cv2.imread(str(path))[..., ::-1])
    if suffix == ".png":
        assert np.array_equal(image, IMAGE)
        assert np.array_equal(image_loader.opencv_seg_loader(path), IMAGE[..., ::-1])


@pytest.mark.parametrize("name", LOADERS)
def test_turned_photographs_are_turned_alike(tmp_path, name):
    image_module = pytest.importorskip("PIL.Image")
    exif = image_module.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    image_module.fromarray(IMAGE).save(tmp_path / "a.jpg", exif=exif)
    assert getattr(image_loader, name)(tmp_path / "a.jpg").shape == (16, 12, 3)


BAD_FILES = {
    "missing": (None, MissingFile, "there is no image"),
    "empty": (b"", BadInput, "empty"),
    "no image": (b"hello", BadInput, "cannot be decoded"),
    "truncated": ("cut", BadInput, "truncated"),
}


@pytest.mark.parametrize(("content", "error", "text"), BAD_FILES.values(), ids=BAD_FILES)
def test_unreadable_images_are_named(tmp_path, content, error, text):
    path = tmp_path / "bad.jpg"
    if content == "cut":
        content = cv2.imencode(".jpg", cv2.resize(IMAGE, (320, 240)))[1].tobytes()[:3000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=text) as caught:
        image_loader.default_image_loader(path)
    assert str(path) in str(caught.value)


def test_indexed_images(tmp_path):
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image_loader.imwrite_indexed(tmp_path / "a.png", labels)
    assert np.array_equal(image_loader.imread_indexed(tmp_path / "a.png"), labels)
    with pytest.raises(Exception, match="two dimensions"):
        image_loader.imwrite_indexed(tmp_path / "b.png", IMAGE)
    assert (
        image_loader.davis_palette.shape == (256, 3)
        and image_loader.davis_palette.dtype == np.uint8
    )
    assert image_loader.davis_palette[[1, 2, 200]].tolist() == [
        [128, 0, 0],
        [0, 128, 0],
        [200, 200, 200],
    ]


# Collation


def test_collate_in_dimension_1():
    assert ltr_collate_stack1([TensorDict(a=torch.zeros(2, 3))] * 5)["a"].shape == (2, 5, 3)


@pytest.mark.parametrize("batch", [[object()], [np.array(["a"])]])
def test_collate_refuses(batch):
    with pytest.raises(TypeError):
        ltr_collate(batch)


# Loader


class Draws(torch.utils.data.Dataset):
    """Samples in the style of pytracking: from the global generators."""

    name = "draws"

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return TensorDict(
            index=index,
            values=torch.tensor(
                [random.random(), np.random.rand(), torch.rand(1).item()], dtype=torch.float64
            ),
        )


def epoch_of(loader, epoch):
    loader.set_epoch(epoch)
    batches = list(loader)
    return torch.cat([b["index"] for b in batches]), torch.cat([b["values"] for b in batches])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"shuffle": True},
        {"sampler": [5, 3, 3, 1]},
        {"batch_sampler": [[1, 2], [7]]},
        {"shuffle": True, "drop_last": True, "batch_size": 5},
    ],
    ids=["shuffle", "sampler", "batch_sampler", "drop_last"],
)
def test_batches_do_not_depend_on_workers(kwargs):
    order, values = epoch_of(LTRLoader("a", Draws(), seed=3, **kwargs), 2)
    random.seed(99)
    torch.manual_seed(99)
    with_workers = MultiEpochLTRLoader(
        "a", Draws(), num_workers=2, seed=3, multiprocessing_context="fork", **kwargs
    )
    epoch_of(with_workers, 1)
    again = epoch_of(with_workers, 2)  # epochs reach workers that live on
    del with_workers
    gc.collect()  # ends its processes
    assert torch.equal(order, again[0]) and torch.equal(values, again[1])
    other_epoch, other_seed = (
        epoch_of(LTRLoader("a", Draws(), seed=3, **kwargs), 3),
        epoch_of(LTRLoader("a", Draws(), seed=4, **kwargs), 2),
    )
    assert not torch.equal(values, other_epoch[1]) and not torch.equal(values, other_seed[1])


def test_seeded_samples_leave_the_global_generators_alone():
    loader = LTRLoader("a", Draws(), batch_size=4, seed=3)
    torch.manual_seed(1)
    iterator = iter(loader)
    state = torch.random.get_rng_state()
    next(iterator)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_repeated_index_draws_are_those_of_the_index():
    _, values = epoch_of(LTRLoader("a", Draws(), sampler=[3, 3, 4], seed=1), 1)
    assert torch.equal(values[0], values[1]) and not torch.equal(values[0], values[2])


def test_without_a_seed_draws_are_free():
    random.seed(0)
    first = random.random()
    random.seed(0)
    assert epoch_of(LTRLoader("a", Draws()), 1)[1][0, 0] == first


def test_loader_attributes_and_errors():
    loader = LTRLoader("val", Draws(), training=False, epoch_interval=3, stack_dim=1, batch_size=2)
    assert (loader.name, loader.training, loader.epoch_interval, loader.stack_dim) == (
        "val",
        False,
        3,
        1,
    )
    assert len(loader) == 6 and loader.dataset.name == "draws"
    with pytest.raises(ValueError, match="stack_dim"):
        LTRLoader("a", Draws(), stack_dim=2)
    with pytest.raises(BadValue, match="exclude"):
        LTRLoader("a", Draws(), shuffle=True, sampler=[1])


class Failing(Draws):
    def __getitem__(self, index):
        raise BadValue("image 'x.jpg' is broken")


@pytest.mark.slow
def test_errors_of_workers_keep_their_type():
    with pytest.raises(BadValue, match=r"x\.jpg"):
        list(LTRLoader("a", Failing(), num_workers=1, multiprocessing_context="fork"))


def test_workers_ignore_ctrl_c():
    class Signals(Draws):
        def __getitem__(self, index):
            import signal

            return int(signal.getsignal(signal.SIGINT) == signal.SIG_IGN), os.getpid()

    for ignored, pid in LTRLoader("a", Signals(), num_workers=1, multiprocessing_context="fork"):
        assert ignored.item() == 1 and pid.item() != os.getpid()


def photo_bytes(side: int = 200) -> bytes:
    """Return a JPEG of noise, which has data everywhere."""
    image = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def cut_out(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 200 :]


def overwritten(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\xff\xd0" * 50 + data[middle + 100 :]


def ended_early(data: bytes) -> bytes:
    return data[: len(data) // 3] + b"\xff\xd9"


DAMAGE = {"cut out": cut_out, "overwritten": overwritten, "ended early": ended_early}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_in_the_middle_of_a_jpeg_is_seen(tmp_path, damage):
    pytest.importorskip("simplejpeg")
    (tmp_path / "a.jpg").write_bytes(damage(photo_bytes()))
    with pytest.raises(BadValue, match=r"a\.jpg is (damaged|truncated)"):
        image_loader.default_image_loader(tmp_path / "a.jpg")


def test_bytes_that_fill_up_the_end_of_a_jpeg_are_no_damage(tmp_path):
    data = photo_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:-2] + b"\0" * 7 + data[-2:])
    assert image_loader.default_image_loader(tmp_path / "a.jpg").shape == (200, 200, 3)
