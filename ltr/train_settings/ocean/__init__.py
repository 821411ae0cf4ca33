"""Ocean with full supervision, under the name that `<module> <name>` callers expect.

For recipes and scripts of your own: nothing here imports it.
"""
