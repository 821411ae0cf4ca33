"""Box arithmetic, target assignment and training criteria."""
