"""Parts between a backbone and its heads."""
