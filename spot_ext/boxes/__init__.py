"""Boxes of objects over time: tracks, label files and formats, key frames, budgets."""
