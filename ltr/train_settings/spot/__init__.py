"""Recipes of sparsely supervised training."""
