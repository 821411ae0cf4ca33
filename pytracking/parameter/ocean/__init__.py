"""Parameter files of the tracker `ocean`."""
