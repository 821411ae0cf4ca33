"""Comparison with numbers of the reference implementations: `python -m tests.golden DIR`, and
pytest on the same checks.
"""
