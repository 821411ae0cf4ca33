"""Parameter files of the tracker `transt`."""
