"""A network that remembers its outputs: trials show it equal crops as long as their boxes agree."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

Outputs = dict[str, torch.Tensor]
Key = tuple[bytes, bytes]  # digests of template and crop

# 128 bits tell apart more tensors than any search computes.
DIGEST_BYTES = 16


class Memory:
    """Outputs by key; the least recently used are forgotten first."""

    def __init__(self) -> None:
        self.outputs: OrderedDict[Key, Outputs] = OrderedDict()
        self.bytes = 0

    def get(self, key: Key) -> Outputs | None:
        """Return the outputs kept under `key`, or None."""
        if key in self.outputs:
            self.outputs.move_to_end(key)
        return self.outputs.get(key)

    def keep(self, key: Key, outputs: Outputs, limit_mb: float) -> None:
        """Keep `outputs`, and of the others as many as `limit_mb` has room for."""
        self.outputs[key] = outputs
        self.bytes += _size(outputs)
        while self.bytes > limit_mb * 2**20:
            _, forgotten = self.outputs.popitem(last=False)
            self.bytes -= _size(forgotten)

    def clear(self) -> None:
        """Forget everything."""
        self.outputs.clear()
        self.bytes = 0


# One for a process, as the trackers of a search come and go; it is for one network at a time.
memory = Memory()


class RememberingNet:
    """A tracker's network that computes equal inputs once.

    Equal inputs within a batch are computed once, and others as long as the memory lasts. Inputs
    are compared by content (a hash of template and crop), so on the CPU the outputs are those of
    the network itself. `memory_mb` 0 keeps nothing from batch to batch.
    """

    def __init__(self, net: Any, memory_mb: int):
        self.inner = net
        self.memory_mb = memory_mb
        self.template_digest = b""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "inner" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __copy__(self) -> RememberingNet:
        twin = type(self)(copy.copy(self.inner), self.memory_mb)
        twin.template_digest = self.template_digest
        return twin

    def template(self, z: torch.Tensor) -> None:
        """Store the template `(1, 3, S, S)`."""
        self.template_digest = _digest(z)
        self.inner.template(z)

    def track(self, x: torch.Tensor) -> Outputs:
        """Return the network's outputs for a crop `(1, 3, S, S)`."""
        return self._recall(x, lambda rows, crops: self.inner.track(crops))

    def match(self, templates: torch.Tensor, x: torch.Tensor) -> Outputs:
        """Return the network's outputs for B templates and B crops."""
        is_one_template = bool((templates == templates[:1]).all())
        if not is_one_template:
            # Another object's template: there is nothing to share.
            return self.inner.match(templates, x)
        return self._recall(x, lambda rows, crops: self.inner.match(templates[rows], crops))

    def _recall(
        self, x: torch.Tensor, compute: Callable[[list[int], torch.Tensor], Outputs]
    ) -> Outputs:
        """Return the outputs of all crops; `compute` is asked for rows that are not remembered."""
        keys = [(self.template_digest, _digest(crop)) for crop in x]
        different_keys = list(dict.fromkeys(keys))
        by_key: dict[Key, Outputs] = {}
        missing_rows = []
        for key in different_keys:
            remembered = memory.get(key)
            if remembered is None:
                missing_rows.append(keys.index(key))
            else:
                by_key[key] = remembered
        if missing_rows:
            computed = {
                name: value.cpu()
                for name, value in compute(missing_rows, x[missing_rows]).items()
                if isinstance(value, torch.Tensor)
            }
            for place, row in enumerate(missing_rows):
                # A clone: a view would keep the whole batch in memory.
                outputs = {name: value[place].clone() for name, value in computed.items()}
                by_key[keys[row]] = outputs
                memory.keep(keys[row], outputs, self.memory_mb)
        names = by_key[keys[0]]
        return {name: torch.stack([by_key[key][name] for key in keys]) for name in names}


def _digest(tensor: torch.Tensor) -> bytes:
    content = tensor.contiguous().cpu().numpy().tobytes()
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _size(outputs: Outputs) -> int:
    return sum(value.nbytes for value in outputs.values())
