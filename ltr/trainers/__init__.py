"""Trainers: the loop over epochs with its checkpoints. They are imported on first use."""

import importlib

_MODULES = {"BaseTrainer": "base_trainer", "LTRTrainer": "ltr_trainer"}
__all__ = ["BaseTrainer", "LTRTrainer"]


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(f"ltr.trainers.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'ltr.trainers' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
