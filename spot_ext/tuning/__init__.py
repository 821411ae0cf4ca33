"""Search of an online tracker's parameters on a validation set: `python -m spot_ext tune`."""

from spot_ext.tuning.search import Finding, Search, tune

__all__ = ["Finding", "Search", "tune"]
