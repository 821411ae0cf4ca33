"""Layers that networks of several trackers share."""
