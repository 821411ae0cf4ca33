"""Loading of training data: images, crops, transforms, samplers, batches. `LTRLoader` is imported
on first use.
"""

__all__ = ["LTRLoader"]


def __getattr__(name: str):
    if name == "LTRLoader":
        from ltr.data.loader import LTRLoader

        return LTRLoader
    raise AttributeError(f"module 'ltr.data' has no attribute '{name}'")
