"""Scores, tables and plots from result files on disk.

`python -m pytracking.analysis TRACKER PARAMETER --dataset_name NAME` prints the table of a tracker and draws its plots.
From Python start at `plot_results.print_results` and `plot_results.plot_results`.
"""
