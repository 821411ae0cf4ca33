"""Fixtures of the tests of pytracking."""

from tests.support.analysis import new, plots
from tests.support.evaluation import calls, got10k, machine, trees

__all__ = ["calls", "got10k", "machine", "new", "plots", "trees"]
