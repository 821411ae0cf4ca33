"""Actors: one training iteration each, from a batch to the loss. They are imported on first use."""

import importlib

_MODULES = {"BaseActor": "base_actor", "OSTrackActor": "ostrack", "TranstActor": "transt"}
__all__ = ["BaseActor", "OSTrackActor", "TranstActor"]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(f"ltr.actors.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'ltr.actors' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
