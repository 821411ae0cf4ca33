"""Videos of different content, by the features of a backbone trained on ImageNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0, load_lite0_weights

# Frames of each video that are looked at, spread evenly; content changes little within a video.
FRAMES = 3

# Pixels of a side; 16 n + 1 is what the network is fastest at.
SIDE = 225

# The last layer of the backbone, with 320 channels.
LAYER = "stage7"

SMALLEST_NORM = 1e-12  # keeps the features of a black video finite


def content_features(
    dataset: Any, seq_ids: Sequence[int], on_video: Callable[[], None] | None = None
) -> np.ndarray:
    """Return features (N, 320) of length 1, one row a video.

    A row is the mean over `FRAMES` frames of the backbone's last layer. Raises NotConfigured where
    the package with the weights is not installed.
    """
    net = EfficientNetLite0((LAYER,))
    load_lite0_weights(net)
    net.eval()
    features = []
    for seq_id in seq_ids:
        images = torch.from_numpy(_images(dataset, seq_id)).permute(0, 3, 1, 2)
        with torch.inference_mode():
            maps = net(images)[LAYER]
        mean = maps.mean((0, 2, 3)).numpy()
        features.append(mean / max(float(np.linalg.norm(mean)), SMALLEST_NORM))
        if on_video is not None:
            on_video()
    return np.stack(features)


def _images(dataset: Any, seq_id: int) -> np.ndarray:
    """Return the frames of one video that are looked at, normalised, (n, SIDE, SIDE, 3) float32."""
    length = dataset.get_sequence_length(seq_id)
    frame_ids = sorted({(2 * part + 1) * length // (2 * FRAMES) for part in range(FRAMES)})
    pictures = []
    for frame_id in frame_ids:
        frame = dataset.get_frame(seq_id, frame_id)
        pictures.append(cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    images = np.stack(pictures).astype(np.float32) / 255
    mean = np.asarray(IMAGENET_MEAN, dtype=np.float32)
    return (images - mean) / np.asarray(IMAGENET_STD, dtype=np.float32)


def farthest_first(features: np.ndarray, count: int) -> list[int]:
    """Return row 0 and then, `count` in all, the row farthest from those chosen.

    The largest distance to a chosen row is at most twice that of the best choice.

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
