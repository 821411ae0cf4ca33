"""Rendered videos with exact boxes: the embedded set, and the light tracker's training videos."""
