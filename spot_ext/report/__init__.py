"""A run as one HTML file: how it learns, what it explored, what it sees, how it tracks. `python -m
spot_ext report`.
"""
