"""Augmentation of images together with the boxes and masks in them.

    transform = Transform(ToGrayscale(probability=0.05), RandomHorizontalFlip())
    image, box = transform(image=image, bbox=box)

Inputs are keywords: `image`, `coords` (2, N) with rows y and x, `bbox` (4,) xywh, `mask` (H, W),
`bboxes` (dict of boxes), each a single item or a list. `joint=True` gives all of them, also all
items of lists, the same random draw; `joint=False` pairs the lists and gives each pair a draw of
its own. `new_roll=False` repeats the previous draw. One input comes back as it is, several as a
tuple in the order given.
"""

from ltr.data.transforms.base import INPUTS, Transform, TransformBase
from ltr.data.transforms.geometry import RandomAffine, RandomHorizontalFlip
from ltr.data.transforms.pixels import (
    Blur,
    Normalize,
    RandomBlur,
    ToBGR,
    ToGrayscale,
    ToTensor,
    ToTensorAndJitter,
)

__all__ = [
    "INPUTS",
    "Blur",
    "Normalize",
    "RandomAffine",
    "RandomBlur",
    "RandomHorizontalFlip",
    "ToBGR",
    "ToGrayscale",
    "ToTensor",
    "ToTensorAndJitter",
    "Transform",
    "TransformBase",
]
