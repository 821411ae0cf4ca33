"""Crops, jitter and augmentation."""

from __future__ import annotations

import numpy as np
import torch

from ltr.data.crops import context_window, cut, mean_color
from spot_ext.training import augmentation
from spot_ext.training.augmentation import TurnDraws
from spot_ext.training.data.crops import jitter
from tests.golden import formulas
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.golden.tolerances import RELATIVE

KINDS = {
    "template": (2, 128),
    "search": (4, 256),
    "ocean_template": (2, 127),
    "ocean_search": (4, 255),
}
# Resizing rounds some pixels the other way in other versions of OpenCV.
GREY_LEVEL = 1.0
# A pixel of a turned crop whose source lies halfway between two pixels may take either. The
# rotated coordinates have errors of about 1e-5 px, so that this happens to some of 100,000.
TIES = 5e-4
# A mean over 256 x 256 pixels may have three such pixels; normalised values span 4.8.
TIES_IN_MEAN = 3 * 4.8 / 256**2


@check("crops", "crops.npz")
def crops(golden: Golden, compare: Comparison) -> None:
    """Templates and search regions of both networks around boxes inside, across and outside the
    frame.
    """
    stored = golden.arrays("crops.npz")
    image = (
        formulas.image(golden.seed, "crop/image", 240, 320, cell=6, count=1)[0]
        .permute(1, 2, 0)
        .numpy()
    )
    if "image" in stored:
        compare.equal("inputs by formula", image, stored["image"])
    fill = mean_color(image)
    compare.close("mean colour", fill, stored["avg"], float64=True)
    for kind, (factor, size) in KINDS.items():
        windows = [context_window(box, factor, size) for box in stored[f"{kind}.box_extract"]]
        cuts = np.stack([cut(image, window, fill) for window in windows])
        ours, theirs = stored.like(f"{kind}.crops", cuts)
        compare.close("pixels (grey levels)", ours, theirs, slack=GREY_LEVEL)
        padding = (theirs == stored["avg"].astype(np.uint8)).all(-1)
        compare.equal("pixels of the padding", ours[padding], theirs[padding])
        compare.close(
            "resize factor",
            [window.scale for window in windows],
            stored[f"{kind}.resize_factor"],
            kind=RELATIVE,
        )
        boxes = [window.to_crop(box) for window, box in zip(windows, stored["boxes"], strict=True)]
        compare.close("box in the crop px", boxes, stored[f"{kind}.box_crop"])


class _GivenDraws:
    """Stands for a random generator and answers with the reference's draws."""

    def __init__(self, normal: np.ndarray, uniform: np.ndarray):
        self.normal, self.uniform = normal, uniform

    def standard_normal(self, _count: int) -> np.ndarray:
        return self.normal

    def random(self, _count: int) -> np.ndarray:
        return self.uniform


@check("jitter", "crops.npz")
def search_jitter(golden: Golden, compare: Comparison) -> None:
    """The jittered box for given draws."""
    stored = golden.arrays("crops.npz")
    draws = zip(
        stored["jitter.boxes_in"], stored["jitter.randn"], stored["jitter.rand"], strict=True
    )
    boxes = [
        jitter(
            box,
            float(stored["jitter.center"]),
            float(stored["jitter.scale"]),
            _GivenDraws(normal, uniform),
        )
        for box, normal, uniform in draws
    ]
    compare.close("box px", boxes, stored["jitter.boxes_out"])


@check("augment_brightness", "augment.npz")
def brightness(golden: Golden, compare: Comparison) -> None:
    """Brightness and normalisation of crops and of mean colours."""
    stored = golden.arrays("augment.npz")
    images = formulas.image(golden.seed, "aug/norm/image", 64, 64, cell=4, count=4)
    if "norm.image_u8" in stored:
        compare.equal("inputs by formula", images, stored["norm.image_u8"])
    factors, colours = torch.from_numpy(stored["norm.factor"]), torch.from_numpy(stored["norm.avg"])
    compare.close(
        "brightened crop", *stored.like("norm.jitter_out", augmentation.brighten(images, factors))
    )
    compare.close(
        "brightened colour", augmentation.brighten(colours, factors), stored["norm.jitter_avg"]
    )
    compare.close("network input", *stored.like("norm.out", augmentation.prepare(images, factors)))
    compare.close("colour in it", augmentation.prepare(colours, factors), stored["norm.out_avg"])


@check("augment_grey", "augment.npz")
def grey(golden: Golden, compare: Comparison) -> None:
    """The reference's grey-scale: channels weighted and left apart, on normalised crops."""
    stored = golden.arrays("augment.npz")
    # in float32, as one of the draws is the threshold itself
    chosen = torch.from_numpy(stored["gray.draw"].astype(np.float32) <= np.float32(0.05))
    for image in "01":
        values, colours = (
            torch.from_numpy(stored[f"gray.{name}{image}"]) for name in ("in", "avg")
        )
        compare.close(
            "crop", augmentation.to_grey(values, chosen, reference=True), stored[f"gray.out{image}"]
        )
        compare.close(
            "colour", augmentation.to_grey(colours, chosen), stored[f"gray.out_avg{image}"]
        )


@check("augment_ellipse", "augment.npz")
def turns(golden: Golden, compare: Comparison) -> None:
    """Flips, half turns and rotations of crops and boxes, with boxes moved rather than cut at the
    border.
    """
    stored = golden.arrays("augment.npz")
    on = torch.from_numpy(stored["ell.mask"])
    angles = torch.from_numpy(stored["ell.angle"] + 180 * stored["ell.ud"])
    draws = TurnDraws(angles * on, torch.from_numpy(stored["ell.lr"]) & on)
    for size in (96, 256):
        prefix = f"ell.s{size}."
        images = formulas.image(golden.seed, f"aug/ell/s{size}", size, size, cell=6, count=10)
        if f"{prefix}image_in_u8" in stored:
            compare.equal("inputs by formula", images, stored[f"{prefix}image_in_u8"])
        turned = augmentation.turn(
            augmentation.prepare(images), torch.from_numpy(stored[f"{prefix}avg"]), draws
        )
        if size == 96:
            compare.close(
                "crop of 96 px", *stored.like(f"{prefix}image_out", turned), outliers=TIES
            )
        else:
            compare.close(
                "crop of 256 px",
                *stored.like(f"{prefix}image_out_slice", turned[..., 1::5, 1::5]),
                outliers=TIES,
            )
            compare.close(
                "crop of 256 px, mean",
                turned.mean((2, 3)),
                stored[f"{prefix}image_out_mean"],
                slack=TIES_IN_MEAN,
            )
        boxes = augmentation.turn_boxes(
            torch.from_numpy(stored[f"{prefix}box_in"]), draws, size, reference_clamp=True
        )
        compare.close("box px", boxes, stored[f"{prefix}box_out"])


@check("augment_affine", "augment.npz")
def rotations(golden: Golden, compare: Comparison) -> None:
    """Rotation of one crop: pivot, direction, nearest neighbour, fill colour."""
    stored = golden.arrays("augment.npz")
    image = formulas.image(golden.seed, "aug/affine", 96, 96, cell=6, count=1)
    if "affine.image_u8" in stored:
        compare.equal("inputs by formula", image[0], stored["affine.image_u8"])
    for angle in (10, -10, 180):
        draws = TurnDraws(torch.tensor([angle]), torch.tensor([False]))
        turned = augmentation.turn(
            augmentation.prepare(image), torch.from_numpy(stored["affine.avg"])[None], draws
        )
        compare.close("crop", *stored.like(f"affine.{angle}.out", turned[0]))
