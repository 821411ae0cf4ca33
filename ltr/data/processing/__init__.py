"""Steps between sampled frames and a network's input: joint transform, jitter, crop, transforms,
labels.

A class here is a crop, a jitter and the parts its network learns from (`parts`), put together by
`base.CropProcessing`.
"""

from ltr.data.processing.base import BaseProcessing, stack_tensors
from ltr.data.processing.candidates import (
    TargetCandiateMatchingProcessing,
    TargetCandidateMatchingProcessing,
)
from ltr.data.processing.kys import KYSProcessing
from ltr.data.processing.segmentation import LWLProcessing, RTSProcessing
from ltr.data.processing.tamos import TaMOsProcessing
from ltr.data.processing.tracking import (
    ATOMProcessing,
    ATOMwKLProcessing,
    DiMPProcessing,
    KLBBregProcessing,
    KLDiMPProcessing,
    LTRBDenseRegressionProcessing,
    OSTrackProcessing,
    TransTProcessing,
)

__all__ = [
    "ATOMProcessing",
    "ATOMwKLProcessing",
    "BaseProcessing",
    "DiMPProcessing",
    "KLBBregProcessing",
    "KLDiMPProcessing",
    "KYSProcessing",
    "LTRBDenseRegressionProcessing",
    "LWLProcessing",
    "OSTrackProcessing",
    "RTSProcessing",
    "TaMOsProcessing",
    "TargetCandiateMatchingProcessing",
    "TargetCandidateMatchingProcessing",
    "TransTProcessing",
    "stack_tensors",
]
