"""Parameter files of the tracker `ostrack`."""
