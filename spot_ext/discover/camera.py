"""Measure what moves between two frames besides the camera: dense optical flow, less the camera's
motion fitted to it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

POINTS = np.s_[4::8, 4::8]  # pixels to which the camera's motion is fitted
FIT_TOLERANCE = 1.0  # px: a point whose flow differs by more does not belong to the background
FEWEST_INLIERS = (
    0.3  # share of points that must agree on a camera motion, else the frames are of two scenes
)


@dataclass(frozen=True)
class Motion:
    """The motion from one frame to another, in pixels of the frames given."""

    flow: np.ndarray  # (H, W, 2) float32
    residual: (
        np.ndarray
    )  # (H, W) float32: how far the flow leads from where background would be; 0 where `outside`
    outside: np.ndarray  # (H, W) bool: background here would be outside the other frame
    noise: float  # px: spread of the residual over the background
    inliers: float  # share of the points that move as the camera motion says

    @property
    def same_scene(self) -> bool:
        """False after a cut, or when there is too little to see for a camera motion."""
        return self.inliers >= FEWEST_INLIERS


class Flow:
    """OpenCV's DIS optical flow (Kroeger et al., ECCV 2016) and the camera's motion in it. Keeps
    buffers: one a thread.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def between(self, grey: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Flow (H, W, 2) float32 from `grey` to `other`, both (H, W) uint8."""
        flow = np.zeros((*grey.shape, 2), np.float32)
        return self._dis.calc(grey, other, flow)

    def motion(self, grey: np.ndarray, other: np.ndarray) -> Motion:
        """The motion from `grey` to `other`: a homography by robust estimation on the flow is the
        camera's part.
        """
        flow = self.between(grey, other)
        height, width = grey.shape
        grid = _grid(width, height)
        matrix, follows = _camera_motion(grid, flow)
        places = cv2.perspectiveTransform(grid, matrix)
        x, y = cv2.split(places)
        outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
        residual = cv2.magnitude(*cv2.split(grid + flow - places))
        background = residual[POINTS][follows]
        noise = float(1.4826 * np.median(background)) if len(background) else np.inf
        residual[outside] = 0
        return Motion(flow, residual, outside, noise, float(follows.mean()))


def _camera_motion(grid: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Homography (3, 3) that most of the `POINTS` follow, and which of them do, in the shape of
    `grid[POINTS]`.
    """
    points = grid[POINTS]
    cv2.setRNGSeed(0)
    matrix, follows = cv2.findHomography(
        points.reshape(-1, 2),
        (points + flow[POINTS]).reshape(-1, 2),
        cv2.USAC_MAGSAC,
        FIT_TOLERANCE,
        maxIters=500,
        confidence=0.999,
    )
    if matrix is None:
        return np.eye(3, dtype=np.float32), np.zeros(points.shape[:2], bool)
    return matrix.astype(np.float32), follows.reshape(points.shape[:2]) > 0


@functools.lru_cache(maxsize=4)
def _grid(width: int, height: int) -> np.ndarray:
    return np.stack(
        np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), 2
    )
