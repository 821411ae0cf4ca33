"""Videos of different content: features of a backbone trained on ImageNet, and the choice of those
far from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0, load_lite0_weights

FRAMES, SIDE, LAYER = (
    3,
    225,
    "stage7",
)  # looked at of each video; px, 16 n + 1 is what the network is fastest at


def content_features(
    dataset, seq_ids: Sequence[int], on_video: Callable[[], None] | None = None
) -> np.ndarray:
    """Features (N, 320) of length 1, one row a video: the mean over `FRAMES` frames of the
    backbone's last layer.

    Raises NotConfigured where the package with the weights is not installed.
    """
    net = EfficientNetLite0((LAYER,))
    load_lite0_weights(net)
    net.eval()
    features = []
    for seq_id in seq_ids:
        length = dataset.get_sequence_length(seq_id)
        ids = sorted({(2 * part + 1) * length // (2 * FRAMES) for part in range(FRAMES)})
        images = (
            np.stack(
                [
                    cv2.resize(
                        dataset.get_frame(seq_id, frame_id),
                        (SIDE, SIDE),
                        interpolation=cv2.INTER_AREA,
                    )
                    for frame_id in ids
                ]
            ).astype(np.float32)
            / 255
        )
        images = (images - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
        with torch.inference_mode():
            maps = net(torch.from_numpy(images).permute(0, 3, 1, 2))[LAYER]
        mean = maps.mean((0, 2, 3)).numpy()
        features.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
        if on_video is not None:
            on_video()
    return np.stack(features)


def farthest_first(features: np.ndarray, count: int) -> list[int]:
    """Row 0 and then, `count` in all, the row farthest from those chosen: at most twice the radius
    of the best choice.

    Source: Gonzalez, Clustering to minimize the maximum intercluster distance (1985); as k-center
    in active learning, Sener and Savarese (ICLR 2018).
    """
    chosen = [0]
    distance = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < count:
        distance[chosen] = -1
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return chosen
