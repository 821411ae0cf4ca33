"""TransT, and networks with its interface such as those SPOT trains."""

from pytracking.tracker.transt.transt import TransT


def get_tracker_class() -> type[TransT]:
    """Return the class of this tracker."""
    return TransT
