"""Experiments to copy from. Run one with `python pytracking/run_experiment.py myexperiments
<function>`.

An experiment returns trackers and sequences; `run_experiment.py` runs each tracker on each sequence
and skips what is already there, so that it can be stopped and started again. The analysis takes the
same pair:

    plot_results(*myexperiments.spot_labels(), "labels", merge_results=True)
"""

from pytracking.evaluation import get_dataset, trackerlist


def toy_quickstart():
    """The network of `spot quickstart` on its test videos."""
    return trackerlist("transt", "spot_quickstart"), get_dataset("toy")


def spot_labels():
    """SPOT with 2, 3 and 5 boxes per video, on LaSOT and OTB."""
    trackers = [
        tracker
        for name, label in (
            ("spot_transt_k2", "SPOT, 2 boxes"),
            ("spot_transt", "SPOT, 3 boxes"),
            ("spot_transt_k5", "SPOT, 5 boxes"),
        )
        for tracker in trackerlist("transt", name, display_name=label)
    ]
    return trackers, get_dataset("lasot", "otb")


def repeated_runs():
    """Three runs of one tracker, for mean and standard deviation (`merge_results=True`,
    `spread=True` in the analysis).
    """
    return trackerlist("transt", "spot_transt", range(3)), get_dataset("otb")


def hardest_sequences():
    """Two trackers on those sequences of LaSOT that are annotated as fully occluded or out of
    view.
    """
    sequences = get_dataset("lasot", attribute="FOC")
    known = {sequence.name for sequence in sequences}
    sequences += [
        sequence for sequence in get_dataset("lasot", attribute="OV") if sequence.name not in known
    ]
    return trackerlist("transt", "transt50") + trackerlist("transt", "spot_transt"), sequences
