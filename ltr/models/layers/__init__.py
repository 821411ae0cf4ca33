"""Layers that networks of several trackers share.

What no network here uses is for networks of your own, written for pytracking: activation, blocks,
distance, filter, normalization and transform.
"""
