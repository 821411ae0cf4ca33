"""Targets in videos without labels: what moves against the camera's motion, or what a detector
finds, as short tracks.
"""
