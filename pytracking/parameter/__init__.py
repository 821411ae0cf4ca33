"""Parameter files: `pytracking.parameter.<tracker>.<name>` defines `parameters()`.

A file that changes one value of another one is a line in `<tracker>/registry.py`. Plug-in folders
may add files.
"""
