"""SPOT: training trackers from a few boxes a video, and the verbs of the command `spot`."""
