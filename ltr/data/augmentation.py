"""Augmentation in the style of SiamRPN: one crop around the middle of a patch, moved, scaled,
blurred, recoloured.
"""

from __future__ import annotations

import cv2
import numpy as np

from ltr.data.bbox import Center, Corner, center2corner

_LIGHT, _TINT = (
    8.0,
    2.0,
)  # spread of colour noise in grey levels: common to the channels, and of each channel


class Augmentation:
    """Callable `(image, bbox, size, gray=False)`: a `size` px crop of the patch's middle, and the
    box in its pixels.

    The crop's centre moves by up to `shift` px, its width and height vary by up to the part
    `scale`, inside the patch. `blur`, `flip` and `color` are the probabilities of a motion blur, of
    mirroring, and of colour noise. Draws come from NumPy's global generator.
    """

    def __init__(self, shift: float, scale: float, blur: float, flip: float, color: float):
        self.shift = shift
        self.scale = scale
        self.blur = blur
        self.flip = flip
        self.color = color

    def __call__(
        self, image: np.ndarray, bbox: Corner, size: int, gray: bool = False
    ) -> tuple[np.ndarray, Corner]:
        """`image` (H, W, 3) uint8 and `bbox` by corners; see the class. `gray` shows luminance in
        all channels.
        """
        if gray:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image, bbox = self._crop(image, bbox, size)
        if np.random.random() < self.color:
            noise = _LIGHT * np.random.randn() + _TINT * np.random.randn(3)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if np.random.random() < self.blur:
            image = _motion_blur(image)
        if np.random.random() < self.flip:
            image = np.ascontiguousarray(image[:, ::-1])
            bbox = Corner(size - 1 - bbox.x2, bbox.y1, size - 1 - bbox.x1, bbox.y2)
        return image, bbox

    def _crop(self, image: np.ndarray, bbox: Corner, size: int) -> tuple[np.ndarray, Corner]:
        limits = image.shape[1], image.shape[0]
        extents = [
            min(size * (1 + self.scale * np.random.uniform(-1, 1)), limit) for limit in limits
        ]
        centers = [
            np.clip(
                limit / 2 + self.shift * np.random.uniform(-1, 1), extent / 2, limit - extent / 2
            )
            for limit, extent in zip(limits, extents, strict=True)
        ]
        low_x, low_y, _, _ = center2corner(Center(*centers, *extents))
        across, down = size / extents[0], size / extents[1]
        matrix = np.array([[across, 0, -low_x * across], [0, down, -low_y * down]])
        moved = Corner(
            (bbox.x1 - low_x) * across,
            (bbox.y1 - low_y) * down,
            (bbox.x2 - low_x) * across,
            (bbox.y2 - low_y) * down,
        )
        return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE), moved


def _motion_blur(image: np.ndarray) -> np.ndarray:
    """Blurred along a line of random length and direction."""
    length = int(np.random.choice(np.arange(5, 25, 2)))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(
        ((length - 1) / 2, (length - 1) / 2), np.random.uniform(0, 180), 1
    )
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), kernel.dtype)
    return cv2.filter2D(image, -1, kernel / kernel.sum())
