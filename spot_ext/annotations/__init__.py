"""Boxes of people's own videos: what they are, and the file formats they come in and go out to."""
