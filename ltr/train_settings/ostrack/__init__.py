"""OSTrack with full supervision."""
