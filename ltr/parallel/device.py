"""The device that a network runs on."""

from __future__ import annotations

import logging
from typing import Any

import torch

from ltr.admin.errors import BadValue

logger = logging.getLogger(__name__)

CPU = torch.device("cpu")


def default_device(use_gpu: bool = True) -> torch.device:
    """Return the GPU this process uses, if there is one and `use_gpu`; else the CPU."""
    if use_gpu and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return CPU


def checked_device(name: torch.device | str) -> torch.device:
    """Return the device `name`. Raises BadValue where it is unknown or not there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise BadValue(f"unknown device '{name}', use cpu, cuda or cuda:<number>") from None
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        others = f" or cuda:0 to cuda:{count - 1}" if count else ""
        raise BadValue(
            f"device '{name}' is not there, the CUDA devices here number {count}, use cpu{others}"
        )
    return device


def settings_device(settings: Any) -> torch.device:
    """Return `settings.device`; the CPU where it names none or a GPU that is not there."""
    return available_device(getattr(settings, "device", None))


def device_name(name: str | None) -> str:
    """Return `name`, checked; without one `cuda` where there is some, else `cpu`."""
    if name is not None:
        return str(checked_device(name))
    return default_device().type


def available_device(name: torch.device | str | None) -> torch.device:
    """Return the device `name`, and the CPU for None or for a GPU where there is none."""
    device = CPU if name is None else torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        logger.info("No GPU is available: computing on the CPU")
        return CPU
    return device
