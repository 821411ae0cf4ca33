"""Examples for the VOT toolkit: `trackers.ini`, and `vot.py` for trackers outside pytracking."""
