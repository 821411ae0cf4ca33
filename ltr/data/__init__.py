"""Loading of training data: images, crops, transforms, samplers, batches. `LTRLoader` is imported
on first use.
"""

import importlib

__all__ = ["LTRLoader"]


def __getattr__(name: str):
    if name == "LTRLoader":
        return importlib.import_module("ltr.data.loader").LTRLoader
    raise AttributeError(f"module 'ltr.data' has no attribute '{name}'")
