"""Training data sets. Each is imported on first use, so that one that needs a rare package does not
hinder the others.
"""

import importlib

_MODULES = {
    "Lasot": "lasot",
    "Got10k": "got10k",
    "TrackingNet": "tracking_net",
    "VideoFolder": "video_folder",
    "ImagenetVID": "imagenetvid",
    "LasotVOS": "vos_masks",
    "Got10kVOS": "vos_masks",
    "Davis": "davis",
    "YouTubeVOS": "youtubevos",
    "MSCOCO": "coco",
    "MSCOCOSeq": "coco_seq",
    "LVIS": "lvis",
    "ECSSD": "ecssd",
    "MSRA10k": "msra10k",
    "HKUIS": "hku_is",
    "SBD": "sbd",
    "SyntheticVideo": "synthetic_video",
    "SyntheticVideoBlend": "synthetic_video_blend",
}
__all__ = list(_MODULES)


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(f"ltr.dataset.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'ltr.dataset' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
