"""Features of trackers: patches, augmentations, pooling and normalisation, extractors, layers of
networks.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import TensorList
from ltr.models.backbone import resnet18
from pytracking.features import augmentation as aug
from pytracking.features import deep, preprocessing
from pytracking.features.color import RGB, Grayscale
from pytracking.features.extractor import (
    ExtractorBase,
    MultiResolutionExtractor,
    SingleResolutionExtractor,
)
from pytracking.features.featurebase import FeatureBase, MultiFeatureBase
from pytracking.features.util import Concatenate
from pytracking.utils import FeatureParams

IMAGE = torch.arange(60.0)[:, None] * 100 + torch.arange(80.0)  # every pixel is told by its value


def image():
    return IMAGE.expand(1, 3, 60, 80).clone()


def sample(pos, size, **options):
    patch, coord = preprocessing.sample_patch(
        image(), torch.tensor(pos), torch.tensor(size), **options
    )
    return patch[0, 0], coord[0].tolist()


# ---------------------------------------------------------------- patches


@given(st.floats(0, 59.9), st.floats(0, 79.9), st.integers(2, 40), st.integers(2, 40))
@settings(max_examples=40, deadline=None)
def test_patch_holds_the_pixels_it_says(y, x, height, width):
    patch, (top, left, bottom, right) = sample([y, x], [float(height), float(width)])
    assert patch.shape == (height, width) == (bottom - top, right - left)
    assert top + (height - 1) // 2 == int(y) and left + (width - 1) // 2 == int(x)
    rows, columns = (
        torch.arange(top, bottom).clamp(0, 59).long(),
        torch.arange(left, right).clamp(0, 79).long(),
    )
    assert torch.equal(patch, IMAGE[rows][:, columns])  # the border is repeated


@pytest.mark.parametrize(
    "mode, size, limit, coord",
    [
        ("inside", [30.0, 40.0], None, [0, 40, 30, 80]),
        ("inside", [90.0, 90.0], None, [0, 20, 60, 80]),
        ("inside", [90.0, 90.0], 1.2, [-7, 5, 68, 80]),
        ("inside_major", [90.0, 90.0], None, [-10, 0, 70, 80]),
        ("replicate", [20.0, 20.0], None, [-4, 61, 16, 81]),
    ],
    ids=[
        "moved in",
        "shrunk to fit",
        "shrunk at most so far",
        "one side fits",
        "repeats the border",
    ],
)
def test_patch_modes(mode, size, limit, coord):
    assert sample([5.0, 70.0], size, mode=mode, max_scale_change=limit)[1] == coord


def test_patch_is_resized_and_large_ones_are_thinned_first():
    patch, coord = sample([30.0, 40.0], [40.0, 40.0], output_sz=[10, 10])
    assert patch.shape == (10, 10) and coord[2] - coord[0] == coord[3] - coord[1] == 39
    thin = IMAGE[::3, 1::3]  # step 3, so that the row and column of the centre stay
    assert torch.equal(sample([30.0, 40.0], [28.0, 28.0], output_sz=[9, 9])[0], thin[6:15, 9:18])
    mask, _ = preprocessing.sample_patch(
        torch.ones(1, 1, 60, 80),
        torch.tensor([0.0, 0.0]),
        torch.tensor([20.0, 20.0]),
        [40, 40],
        is_mask=True,
    )
    assert mask.unique().tolist() == [0, 1] and mask[0, 0, 0, 0] == 0  # no mask outside the image
    with pytest.raises(BadValue, match="did you mean 'inside'"):
        sample([5.0, 5.0], [4.0, 4.0], mode="insid")


def test_arrays_and_tensors():
    array = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    tensor = preprocessing.numpy_to_torch(array)
    assert tensor.shape == (1, 3, 4, 5) and tensor.dtype == torch.float32
    assert np.array_equal(preprocessing.torch_to_numpy(tensor), array)
    assert preprocessing.numpy_to_torch(array[..., 0]).shape == (1, 1, 4, 5)


# ---------------------------------------------------------------- augmentation


def at(result, row, column):
    return result[0, 0, row, column].item()


@pytest.mark.parametrize(
    "transform, source",
    [
        (aug.Identity(), (20, 30)),
        (aug.FlipHorizontal(), (20, 49)),
        (aug.FlipVertical(), (39, 30)),
        (aug.Translation((3, -5)), (17, 35)),
        (aug.Identity(shift=(3, -5)), (17, 35)),
        (aug.Affine(np.array([[1.0, 0, 4], [0, 1, 2]])), (18, 26)),
        (aug.Rotate(180), (39, 49)),
        (aug.Identity(output_sz=(40, 60)), (30, 40)),
        (aug.Identity(output_sz=(70, 90)), (15, 25)),
        (aug.RandomAffine(p_flip=1.0), (20, 49)),
        (aug.Blur(1.5), (20, 30)),
    ],
)
def test_where_a_pixel_comes_from(transform, source):
    assert at(transform(image()), 20, 30) == pytest.approx(source[0] * 100 + source[1], abs=1e-2)


def test_rotation_by_90_degrees_turns_left():
    square = torch.zeros(1, 1, 9, 9)
    square[..., 0, 4] = 1  # top middle
    assert aug.Rotate(90)(square)[0, 0].nonzero().tolist() == [[4, 0]]


@pytest.mark.parametrize(
    "factor, own_size", [(0.5, (120, 160)), (2.0, (30, 40)), (1.25, (48, 64)), (1.05, (58, 76))]
)
def test_scale_divides_sides_and_keeps_the_middle(factor, own_size):
    assert aug.Scale(factor)(image()).shape[2:] == own_size
    scaled = aug.Scale(factor, output_sz=(60, 80))(image())
    assert scaled.shape == (1, 3, 60, 80)
    step = at(scaled, 30, 41) - at(scaled, 30, 40)
    assert step == pytest.approx(80 / own_size[1], rel=1e-3)
    # The middle of the picture lies between rows 29 and 30, columns 39 and 40.
    middle = [at(scaled, row, column) for row in (29, 30) for column in (39, 40)]
    assert sum(middle) / 4 == pytest.approx(29.5 * 100 + 39.5, abs=1e-2)


@pytest.mark.parametrize(
    "transform",
    [
        aug.Blur(2),
        aug.Blur((0, 1)),
        aug.Scale(1.3, output_sz=(60, 80)),
        aug.Rotate(20),
        aug.RandomAffine(0.5, 20, 0.1, 0.2, 0.1, border_mode="replicate"),
    ],
)
def test_masks_stay_binary_and_arrays_stay_arrays(transform):
    mask = torch.zeros(1, 1, 60, 80)
    mask[..., 20:40, 20:50] = 1
    assert set(transform(mask, is_mask=True).unique().tolist()) == {0, 1}
    array = np.full((60, 80, 3), 7, np.uint8)
    assert (transform(array) == array)[20:40, 20:60].all() and transform(array).dtype == np.uint8
    assert transform(array[..., 0]).shape == (60, 80)


@pytest.mark.parametrize("border, corner", [("constant", 0), ("replicate", 50)])
def test_border_of_random_affine(border, corner):
    turned = aug.RandomAffine(max_rotation=45, max_scale=0.0, border_mode=border)
    turned.roll = lambda: (False, 40.0, (0.0, 0.0), (1.0, 1.0))
    assert at(turned(torch.full((1, 1, 60, 80), 50.0)), 0, 0) == corner
    with pytest.raises(BadValue, match="border_mode 'wrap'"):
        aug.RandomAffine(border_mode="wrap")


def test_random_affine_draws_within_its_limits():
    transform = aug.RandomAffine(
        p_flip=0.5, max_rotation=10, max_shear=0.2, max_scale=0.3, max_ar_factor=0.1
    )
    rolls = [transform.roll() for _ in range(200)]
    assert {flip for flip, *_ in rolls} == {True, False}
    assert all(abs(angle) <= 10 and max(map(abs, shear)) <= 0.2 for _, angle, shear, _ in rolls)
    assert all(0.74 <= x <= 1.35 and 0.9 <= y / x <= 1.106 for *_, (x, y) in rolls)


# ---------------------------------------------------------------- features


class Half(FeatureBase):
    def dim(self):
        return 3

    def stride(self):
        return 2 * self.pool_stride

    def extract(self, im):
        return im[..., ::2, ::2]


class Two(MultiFeatureBase):
    def dim(self):
        return TensorList([3, 1])

    def stride(self):
        return TensorList([4, 8])

    def extract(self, im):
        return TensorList([im[..., ::4, ::4], im[:, :1, ::8, ::8]])


def test_colour_features_and_their_finish():
    im = torch.full((2, 3, 8, 8), 255.0)
    im[:, 0] = 0
    assert RGB().get_feature(im)[0, :, 0, 0].tolist() == [-0.5, 0.5, 0.5]
    assert Grayscale(pool_stride=4).get_feature(im).shape == (2, 1, 2, 2)
    assert Grayscale().get_feature(im).mean() == pytest.approx(1 / 6)
    assert (
        RGB(output_size=3).get_feature(im).shape == (2, 3, 3, 3) and RGB(output_size=3).size(8) == 3
    )
    normal = RGB(normalize_power=2).get_feature(torch.rand(2, 3, 8, 8) * 255)
    torch.testing.assert_close(normal.square().mean((1, 2, 3)), torch.ones(2))
    assert RGB(use_for_color=False).get_feature(im).numel() == 0


def test_several_maps_of_one_feature_are_finished_each():
    feature = Two(
        output_size=[None, 1], normalize_power=[2, None], fparams=FeatureParams(weight=[1, 2])
    )
    maps = feature.get_feature(torch.rand(1, 3, 16, 16) + 1)
    assert [tuple(one.shape) for one in maps] == [(1, 3, 4, 4), (1, 1, 1, 1)]
    assert maps[0].square().mean() == pytest.approx(1) and maps[1].item() > 1
    assert (
        feature.size(16) == [4, 1]
        and Two(use_for_gray=False).get_feature(torch.zeros(1, 1, 8, 8)) == []
    )


def test_concatenation_needs_one_stride():
    both = Concatenate([RGB(pool_stride=2), Half()])
    assert (both.dim(), both.stride()) == (6, 2) and both.get_feature(image()).shape == (
        1,
        6,
        30,
        40,
    )
    with pytest.raises(BadValue, match=r"these have \[1, 2\]"):
        Concatenate([RGB(), Half()])


def test_extractor_answers_for_every_map():
    extractor = MultiResolutionExtractor(
        [
            RGB(pool_stride=4, fparams=FeatureParams(a=1)),
            Two(fparams=FeatureParams(a=[2, 3])),
            Grayscale(use_for_color=False, fparams=FeatureParams(a=4)),
        ]
    )
    extractor.set_is_color(True)
    assert (
        extractor.stride() == [4, 4, 8]
        and extractor.dim() == [3, 3, 1]
        and extractor.get_fparams("a") == [1, 2, 3]
    )
    assert extractor.size(32) == [8, 8, 4] and len(extractor.get_fparams()) == 3
    assert extractor.get_attribute("use_for_gray") == [True, True]
    with pytest.raises(BadValue, match="no features have the attribute 'no_such'"):
        extractor.get_unique_attribute("no_such")
    with pytest.raises(BadValue, match="2 features have the attribute 'pool_stride'"):
        extractor.get_unique_attribute("pool_stride")
    maps, coords, patches = extractor.extract(
        image(),
        torch.tensor([30.0, 40.0]),
        [1.0, 2.0],
        torch.tensor([32.0, 32.0]),
        return_patches=True,
    )
    assert [tuple(one.shape) for one in maps] == [(2, 3, 8, 8), (2, 3, 8, 8), (2, 1, 4, 4)]
    assert (coords[:, 2:] - coords[:, :2]).tolist() == [[32, 32], [64, 64]] and patches.shape == (
        2,
        3,
        32,
        32,
    )
    flipped = extractor.extract_transformed(
        image(),
        torch.tensor([30.0, 40.0]),
        1.0,
        torch.tensor([32.0, 32.0]),
        [aug.Identity(), aug.FlipHorizontal()],
    )
    torch.testing.assert_close(flipped[0][1], flipped[0][0].flip(2))
    extractor.set_is_color(False)
    assert extractor.stride() == [4, 4, 8, 1]


def test_single_resolution_extractor():
    extractor = SingleResolutionExtractor([RGB(pool_stride=4), Half(pool_stride=2)])
    assert (extractor.stride(), extractor.size(64)) == (4, 16)
    assert [tuple(one.shape) for one in extractor.extract(image())] == [
        (1, 3, 15, 20),
        (1, 3, 15, 20),
    ]
    with pytest.raises(BadValue, match="use MultiResolutionExtractor"):
        SingleResolutionExtractor([RGB(), Two()])


# ---------------------------------------------------------------- layers of networks


def test_layers_are_read_when_initialised_and_freed(tmp_path):
    from ltr.models.backbone import resnet18_vggmconv1

    net = resnet18_vggmconv1(output_layers=["vggconv1", "layer2"]).eval()
    torch.save(net.state_dict(), tmp_path / "r18m1.pth")
    feature = deep.ResNet18m1(
        ["vggconv1", "layer2"],
        net_path=str(tmp_path / "r18m1.pth"),
        use_gpu=False,
        pool_stride=[2, 1],
    )
    assert feature.net is None and feature.dim() == [96, 128] and feature.stride() == [4, 8]
    im = torch.rand(1, 3, 64, 64) * 255
    ExtractorBase([feature]).initialize()
    maps = feature.get_feature(im)
    assert [tuple(one.shape) for one in maps] == [(1, 96, 16, 16), (1, 128, 8, 8)]
    mean, std = (
        torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1),
        torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1),
    )
    with torch.no_grad():
        torch.testing.assert_close(maps[1], net((im / 255 - mean) / std)["layer2"])
    ExtractorBase([feature]).free_memory()
    assert feature.net is None


def test_backbone_of_a_tracking_network(monkeypatch):
    holder = torch.nn.Module()
    holder.feature_extractor = resnet18(output_layers=["layer3"])
    monkeypatch.setattr(
        "pytracking.utils.loading.load_network",
        lambda path: holder if path == "atom_iou" else holder.feature_extractor,
    )
    assert deep.ATOMResNet18(use_gpu=False).get_feature(torch.zeros(1, 3, 64, 64))[0].shape == (
        1,
        256,
        4,
        4,
    )
    with pytest.raises(BadValue, match="has no feature_extractor"):
        deep.ATOMResNet18(net_path="other", use_gpu=False).initialize()


class _IouNet(torch.nn.Module):
    def get_iou_feat(self, maps):
        return [2 * one for one in maps]


class _AtomNet(torch.nn.Module):
    """A network in ATOM's form, whose `train` returns nothing."""

    bb_regressor_layer = ["layer2", "layer3"]  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.feature_extractor = resnet18(output_layers=["layer3"])
        self.bb_regressor = _IouNet()

    def extract_features(self, im, layers):
        return self.feature_extractor(im, layers)

    def train(self, mode=True):
        super().train(mode)


def test_atom_features_serve_the_iou_net(monkeypatch):
    monkeypatch.setattr("pytracking.utils.loading.load_network", lambda path: _AtomNet())
    feature = deep.ATOMResNet18(use_gpu=False)
    extractor = MultiResolutionExtractor([feature, RGB()])
    extractor.initialize()
    assert isinstance(extractor.get_unique_attribute("iou_predictor"), _IouNet)
    maps = feature.get_feature(torch.rand(1, 3, 64, 64) * 255)
    assert len(maps) == 1 and maps[0].shape == (1, 256, 4, 4)
    layers = extractor.get_unique_attribute("iounet_backbone_features")
    assert [one.shape[1] for one in layers] == [128, 256] and torch.equal(layers[1], maps[0])
    for_iou_net = extractor.get_unique_attribute("iounet_features")
    assert type(for_iou_net) is TensorList and torch.equal(for_iou_net[0], 2 * layers[0])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: deep.Mobilenet(["layer7"]), "did you mean 'layer"),
        (lambda: deep.ResNet18m1(["conv2"]), "ResNet18m1 has no layer 'conv2'"),
    ],
)
def test_unknown_layers_are_named(make, message):
    with pytest.raises(BadValue, match=message):
        make()
