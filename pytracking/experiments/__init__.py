"""Experiments: functions that return `(trackers, dataset)`, run by `run_experiment.py`.

Plug-in folders add more.
"""
