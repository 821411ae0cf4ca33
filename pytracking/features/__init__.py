"""What trackers see of networks and images."""
