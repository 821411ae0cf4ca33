"""Losses of the method that no single network owns."""
