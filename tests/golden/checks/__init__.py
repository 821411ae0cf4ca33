"""The checks, by subject. Importing this registers all of them."""

from tests.golden.checks import (
    analysis,
    files,
    images,
    labels,
    networks,
    ocean,
    ostrack,
    ostrack_training,
    tracking,
    train_step,
    training,
)
from tests.golden.comparison import CHECKS

__all__ = [
    "CHECKS",
    "analysis",
    "files",
    "images",
    "labels",
    "networks",
    "ocean",
    "ostrack",
    "ostrack_training",
    "tracking",
    "train_step",
    "training",
]
