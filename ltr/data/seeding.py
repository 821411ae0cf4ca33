"""Random numbers that depend on the seed, the epoch and the sample only, never on which worker
draws them or when.
"""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Iterator

import numpy as np
import torch


def generator(seed: int, *key: int | str) -> np.random.Generator:
    """A NumPy generator of its own for `(seed, *key)`, e.g. `generator(settings.seed, 'labelled',
    epoch, index)`.
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in key]
    return np.random.default_rng(np.random.SeedSequence([int(seed), *words]))


def torch_generator(seed: int, *key: int | str) -> torch.Generator:
    """Return a generator for torch's draws on the CPU, seeded as `generator` is."""
    return torch.Generator().manual_seed(int(generator(seed, *key).integers(2**63)))


@contextlib.contextmanager
def global_seed(seed: int, *key: int | str) -> Iterator[None]:
    """Within the block, `random`, `numpy.random` and torch's CPU generator start from `(seed,
    *key)`; restored after.

    For samplers and transforms written against the global generators, as pytracking's are.
    """
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    draw = generator(seed, *key)
    random.seed(int(draw.integers(2**63)))
    np.random.seed(int(draw.integers(2**32)))
    torch.random.default_generator.manual_seed(int(draw.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
