"""From labels and pseudo-labels to batches of crops."""
