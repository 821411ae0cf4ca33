"""Speed and memory, each next to its rival in the same run; `python -m benchmarks` runs all that
fits the machine.
"""
