"""A network that remembers what it answered: trials show it equal crops as long as their boxes
agree.
"""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict

import torch

Outputs = dict[str, torch.Tensor]


class Memory:
    """Outputs by key, the least recently used forgotten first."""

    def __init__(self) -> None:
        self.outputs: OrderedDict[tuple, Outputs] = OrderedDict()
        self.bytes = 0

    def get(self, key: tuple) -> Outputs | None:
        """The outputs kept under `key`, or None."""
        if key in self.outputs:
            self.outputs.move_to_end(key)
        return self.outputs.get(key)

    def keep(self, key: tuple, outputs: Outputs, limit_mb: float) -> None:
        """Keep `outputs`, and of the others as many as `limit_mb` has room for."""
        self.outputs[key] = outputs
        self.bytes += _size(outputs)
        while self.bytes > limit_mb * 2**20:
            self.bytes -= _size(self.outputs.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget everything."""
        self.outputs.clear()
        self.bytes = 0


memory = Memory()  # of this process, for one network at a time


class RememberingNet:
    """A tracker's network that computes equal inputs once: within a batch, and as long as the
    memory lasts.

    Inputs are compared by content (a hash of template and crop), so the outputs are those of the
    network itself, on the CPU. `memory_mb` 0 keeps nothing from batch to batch.
    """

    def __init__(self, net, memory_mb: int):
        self.inner, self.memory_mb, self.template_key = net, memory_mb, b""

    def __getattr__(self, name: str):
        if name.startswith("__") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __copy__(self) -> RememberingNet:
        twin = type(self)(copy.copy(self.inner), self.memory_mb)
        twin.template_key = self.template_key
        return twin

    def template(self, z: torch.Tensor) -> None:
        """Store the template `(1, 3, S, S)`."""
        self.template_key = _content(z)
        self.inner.template(z)

    def track(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for `(1, 3, S, S)`."""
        return self._recall(x, lambda _, missing: self.inner.track(missing))

    def match(self, templates: torch.Tensor, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """The network's outputs for B templates and crops."""
        if not (templates == templates[:1]).all():  # another object's template: nothing to share
            return self.inner.match(templates, x)
        return self._recall(x, lambda rows, missing: self.inner.match(templates[rows], missing))

    def _recall(self, x: torch.Tensor, compute) -> dict[str, torch.Tensor]:
        keys = [(self.template_key, _content(row)) for row in x]
        known = {
            key: outputs for key in dict.fromkeys(keys) if (outputs := memory.get(key)) is not None
        }
        rows = [keys.index(key) for key in dict.fromkeys(keys) if key not in known]
        if rows:
            outputs = {
                name: value.cpu()
                for name, value in compute(rows, x[rows]).items()
                if isinstance(value, torch.Tensor)
            }
            for place, row in enumerate(rows):
                known[keys[row]] = {name: value[place].clone() for name, value in outputs.items()}
                memory.keep(keys[row], known[keys[row]], self.memory_mb)
        return {name: torch.stack([known[key][name] for key in keys]) for name in known[keys[0]]}


def _content(tensor: torch.Tensor) -> bytes:
    """128 bits by which tensors are told apart."""
    return hashlib.blake2b(tensor.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()


def _size(outputs: dict[str, torch.Tensor]) -> int:
    return sum(value.nbytes for value in outputs.values())
