"""Runs a checkout of pytracking's shape as a plug-in: `python -m tests.upstream CHECKOUT`."""
