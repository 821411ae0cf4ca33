"""Fixtures of the contract checks."""

from tests.support.analysis import new, plots
from tests.support.evaluation import calls, got10k, machine, trees

__all__ = ["calls", "got10k", "machine", "new", "plots", "trees"]
