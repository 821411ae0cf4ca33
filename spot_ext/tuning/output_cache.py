"""A network that remembers its outputs: trials show it equal crops as long as their boxes agree."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import torch

from ltr.io.byte_cache import BYTES_PER_MB, ByteCache

Outputs = dict[str, torch.Tensor]
Key = tuple[bytes, bytes]  # digests of template and crop

# 128 bits tell apart more tensors than any search computes.
DIGEST_BYTES = 16


# One for a process, as the trackers of a search come and go; it is for one network at a time.
memory: ByteCache[Outputs] = ByteCache(0)


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
                memory.limit = self.memory_mb * BYTES_PER_MB
                memory.put(keys[row], outputs, _size(outputs))
        names = by_key[keys[0]]
        return {name: torch.stack([by_key[key][name] for key in keys]) for name in names}


def _digest(tensor: torch.Tensor) -> bytes:
    content = tensor.contiguous().cpu().numpy().tobytes()
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _size(outputs: Outputs) -> int:
    return sum(value.nbytes for value in outputs.values())
