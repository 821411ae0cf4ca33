"""A cache bounded by bytes, on `cachetools`."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

import cachetools

Value = TypeVar("Value")

BYTES_PER_MB = 2**20


class _Sized(cachetools.LRUCache):
    """Values with their bytes; the longest unused one goes first."""

    def __init__(self) -> None:
        # the limit is one for two of these, so that neither has its own
        super().__init__(math.inf, getsizeof=lambda entry: entry[1])


class ByteCache(Generic[Value]):
    """Values by key, up to `limit` bytes; the longest unused ones go first.

    Values that were put in as `preferred` stay until no other is left. A pickled copy, as workers
    get it, is empty.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._preferred = _Sized()
        self._others = _Sized()

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["limit"])

    def __len__(self) -> int:
        return len(self._preferred) + len(self._others)

    @property
    def used(self) -> int:
        """Bytes of all values."""
        return int(self._preferred.currsize + self._others.currsize)

    def get(self, key: Hashable) -> Value | None:
        """Return the value under `key`, or None."""
        for cache in (self._others, self._preferred):
            entry = cache.get(key)
            if entry is not None:
                return entry[0]
        return None

    def put(self, key: Hashable, value: Value, size: int, preferred: bool = False) -> None:
        """Keep a value of `size` bytes, unless it alone is larger than the limit."""
        if size > self.limit:
            return
        for cache in (self._others, self._preferred):
            cache.pop(key, None)
        while self._others and self.used + size > self.limit:
            self._others.popitem()
        if not preferred and self.used + size > self.limit:
            # the preferred values fill the cache
            return
        while self.used + size > self.limit:
            self._preferred.popitem()
        cache = self._preferred if preferred else self._others
        cache[key] = value, size

    def clear(self) -> None:
        """Forget all values."""
        self._preferred.clear()
        self._others.clear()
