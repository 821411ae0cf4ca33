"""The geometry of training crops: sizes, context and jitter around a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadValue, suggestion
from ltr.data import crops
from spot_ext.training.data.samples import Crop

DECODINGS = ("full", "reduced")


@dataclass(frozen=True)
class CropConfig:
    """Crop sizes and search jitter. More jitter shows the target farther from the centre and at
    more scales.
    """

    template_size: int = 128
    template_factor: float = 2.0
    search_size: int = 256
    search_factor: float = 4.0
    center_jitter: float = (
        3.0  # the centre moves up to half of this times the mean side, on each axis
    )
    scale_jitter: float = 0.25  # standard deviation of the log of width and height
    # 'reduced': JPEGs at 1/2 to 1/8 of their size where crops are smaller still: faster, other
    # pixels
    decode: str = "full"

    def __post_init__(self) -> None:
        if self.decode not in DECODINGS:
            raise BadValue(
                f"crops.decode is '{self.decode}'{suggestion(self.decode, DECODINGS)}: choose "
                f"{' or '.join(DECODINGS)}"
            )


def jitter(
    box_xywh: np.ndarray, center: float, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """Move and resize a box `(4,)` at random: `wh *= exp(scale * N)`, `centre += center * mean(wh)
    * U(-0.5, 0.5)`.
    """
    box = np.asarray(box_xywh, dtype=np.float64)
    size = box[2:] * np.exp(scale * rng.standard_normal(2))
    middle = box[:2] + box[2:] / 2 + size.sum() / 2 * center * (rng.random(2) - 0.5)
    return np.concatenate([middle - size / 2, size])


def template_window(box_xywh: np.ndarray, config: CropConfig) -> crops.CropWindow:
    """The template's part of the frame around a box, never jittered."""
    return crops.context_window(box_xywh, config.template_factor, config.template_size)


def search_window(
    box_xywh: np.ndarray, config: CropConfig, rng: np.random.Generator | None = None
) -> crops.CropWindow:
    """The search region's part of the frame around a box; jittered when a generator is given."""
    if rng is not None:
        box_xywh = jitter(box_xywh, config.center_jitter, config.scale_jitter, rng)
    return crops.context_window(box_xywh, config.search_factor, config.search_size)


def template_crop(image: np.ndarray, box_xywh: np.ndarray, config: CropConfig) -> Crop:
    """The template around a box of a frame at hand."""
    return _crop(image, template_window(box_xywh, config))


def search_crop(
    image: np.ndarray,
    box_xywh: np.ndarray,
    config: CropConfig,
    rng: np.random.Generator | None = None,
) -> Crop:
    """The search region around a box of a frame at hand; jittered when a generator is given."""
    return _crop(image, search_window(box_xywh, config, rng))


def _crop(image: np.ndarray, window: crops.CropWindow) -> Crop:
    fill = crops.mean_color(image)
    return Crop(
        crops.cut(image, window, fill),
        fill.astype(np.float32),
        window,
        (image.shape[1], image.shape[0]),
    )
