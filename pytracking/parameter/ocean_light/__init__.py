"""Parameter files of the tracker `ocean_light`."""
