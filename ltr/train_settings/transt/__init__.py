"""Recipes for TransT with full supervision."""
