"""What is known of every object path so far: labels, and pseudo-labels with their confidence."""

from spot_ext.training.pseudo_labels.store import (
    INDEX_FILE,
    CommitStats,
    ExploredShare,
    PathEntry,
    PathView,
    PseudoLabelStore,
    StoreWriter,
)

__all__ = [
    "INDEX_FILE",
    "CommitStats",
    "ExploredShare",
    "PathEntry",
    "PathView",
    "PseudoLabelStore",
    "StoreWriter",
]
