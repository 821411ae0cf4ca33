"""Sequences, data sets and trackers, and running the one on the other."""

from pytracking.evaluation.data import Sequence
from pytracking.evaluation.datasets import get_dataset, get_dataset_attributes
from pytracking.evaluation.tracker import Tracker, trackerlist

__all__ = ["Sequence", "Tracker", "get_dataset", "get_dataset_attributes", "trackerlist"]
