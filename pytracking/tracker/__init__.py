"""Trackers: `pytracking.tracker.<name>` defines `get_tracker_class()`.

Plug-in folders may add some.
"""
