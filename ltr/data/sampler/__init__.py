"""Draws training samples: a data set, a sequence, and frames of it that lie close together.

Every sampler is an endless supply of random samples cut into epochs of `samples_per_epoch`. Draws
come from Python's global generator; `LTRLoader` seeds it for each sample, so that the same seed
gives the same samples for any number of workers.
"""

from ltr.data.sampler.base import MIN_LENGTH, no_processing
from ltr.data.sampler.candidates import SequentialTargetCandidateMatchingSampler
from ltr.data.sampler.kys import KYSSampler
from ltr.data.sampler.lwl import LWLSampler
from ltr.data.sampler.tamos import TaMOsDatasetSampler
from ltr.data.sampler.tracking import ATOMSampler, DiMPSampler, TrackingSampler, TransTSampler

__all__ = [
    "MIN_LENGTH",
    "ATOMSampler",
    "DiMPSampler",
    "KYSSampler",
    "LWLSampler",
    "SequentialTargetCandidateMatchingSampler",
    "TaMOsDatasetSampler",
    "TrackingSampler",
    "TransTSampler",
    "no_processing",
]
