"""Studies on the embedded videos: train, track unseen videos, compare."""
