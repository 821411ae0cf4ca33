"""Scores, tables and plots from result files on disk.

`python -m pytracking.analysis TRACKER PARAMETER --dataset_name NAME` prints the table of a tracker
and draws its plots; `-h` tells the rest. From Python start at `plot_results.print_results` and
`plot_results.plot_results`, or at the notebook `pytracking/notebooks/analyze_results.ipynb`.
Further measures: `got10k`, `pysot`, `toolkits` (all side by side), `attributes`, `evaluate_vos`
(masks). `playback_results` shows boxes on the frames.
"""
