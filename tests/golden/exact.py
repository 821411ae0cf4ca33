"""The checks in float64, with inputs and weights as they are or rounded otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from tests.golden.folder import Arrays, Golden

# Rounding to float32 moves a number by at most this share of itself.
ROUNDING = 2.0**-24


class InFloat64(TorchFunctionMode):
    """Compute in float64 where code asks for float32.

    Numbers are still drawn in float32, so that they are the same ones.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        args = tree_map(_wider_type, args)
        kwargs = tree_map(_wider_type, kwargs or {})
        if function is Tensor.float:
            function = Tensor.double
        drawn = function in (torch.randn, torch.rand)
        result = function(*args, **kwargs)
        if drawn or function in _ACCESSORS:
            return result
        return tree_map(_wider, result)


# reading an attribute must return the object itself
_ACCESSORS = (Tensor.grad.__get__, Tensor.data.__get__)


def _wider_type(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def _wider(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.double()
    return value


class OtherSeed(Golden):
    """The inputs of a folder with the weights and pictures of another seed.

    Its expected results belong to the folder's seed and mean nothing.
    """

    def __init__(self, folder, seed: int):
        super().__init__(folder)
        self.seed = seed


class ExactGolden(OtherSeed):
    """The same in float64. With `noise`, every input and weight is rounded otherwise."""

    def __init__(self, folder, seed: int, noise: int | None = None):
        super().__init__(folder, seed)
        self.noise = None if noise is None else np.random.default_rng(noise)

    def arrays(self, name: str) -> Arrays:
        """Open an .npz file with its float32 arrays in float64."""
        arrays = super().arrays(name)
        arrays.convert(self._exact)
        return arrays

    def json(self, name: str) -> Any:
        """Read a JSON file of this seed."""
        return self._exact_values(super().json(name))

    def network(self, net: nn.Module) -> nn.Module:
        """Put the network into float64."""
        net = net.double()
        if self.noise is not None:
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.copy_(torch.from_numpy(self._rounded(parameter.numpy())))
        return net

    def _exact(self, array: np.ndarray) -> np.ndarray:
        if array.dtype.kind != "f":
            return array
        return self._rounded(array.astype(np.float64))

    def _exact_values(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._exact_values(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [self._exact_values(entry) for entry in value]
        if isinstance(value, float):
            return float(self._rounded(np.float64(value)))
        return value

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        if self.noise is None:
            return values
        return values * (1 + ROUNDING * self.noise.uniform(-1, 1, np.shape(values)))
