"""Recipes: `<module>/<name>.py` defines `run(settings)`, started by `python ltr/run_training.py <module> <name>`.

Recipes of your own may also lie in `train_settings/` of a folder that the environment variable PYTRACKING_PLUGINS
names.
"""

from ltr.admin.plugins import plugin_folders

__path__ = [*__path__, *plugin_folders("train_settings")]
