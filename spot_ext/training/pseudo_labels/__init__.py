"""Labels and pseudo-labels of every track so far, with their confidences."""

from spot_ext.training.pseudo_labels.store import (
    INDEX_FILE,
    ExploredShare,
    MappedTrack,
    PseudoLabelStore,
)
from spot_ext.training.pseudo_labels.writer import CommitStats, StoreWriter

__all__ = [
    "INDEX_FILE",
    "CommitStats",
    "ExploredShare",
    "MappedTrack",
    "PseudoLabelStore",
    "StoreWriter",
]
