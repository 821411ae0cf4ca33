"""Experiments to copy from. Run one with `python pytracking/run_experiment.py myexperiments <function>`."""

from pytracking.evaluation import get_dataset, trackerlist


def toy_quickstart():
    """The network of `spot quickstart` on its test videos."""
    return trackerlist("transt", "spot_quickstart"), get_dataset("toy")


def spot_labels():
    """SPOT with 2, 3 and 5 boxes per video, on LaSOT and OTB."""
    trackers = [tracker for name in ("spot_transt_k2", "spot_transt", "spot_transt_k5")
                for tracker in trackerlist("transt", name)]
    return trackers, get_dataset("lasot", "otb")
