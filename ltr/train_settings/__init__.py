"""Recipes: `<module>/<name>.py` defines `run(settings)`, started by `python ltr/run_training.py
<module> <name>`.

Recipes of your own may also lie in `train_settings/` of a folder that the environment variable
PYTRACKING_PLUGINS names, as a module of their own or as files added to one of these.
"""

from ltr.admin.plugins import extend_subpackages, plugin_folders

__path__ = [*__path__, *plugin_folders("train_settings")]
extend_subpackages(__name__, lambda: plugin_folders("train_settings"))
