"""Recipes: `<module>/<name>.py` defines `run(settings)`, started by `python ltr/run_training.py
<module> <name>`.

A recipe that changes a few values of another one is a line in `<module>/registry.py`. Recipes of
your own may also lie in a plug-in folder, see `ltr.io.plugins`.
"""
