"""Turn a sound file or value into a hostile one; everything is drawn from one generator."""

from __future__ import annotations

import random
from typing import Any

# What breaks readers: numbers without a value or an end, signs of other alphabets, brackets.
TOKENS = (
    b"",
    b"null",
    b"-1",
    b"0",
    b"1e999",
    b"-1e308",
    b"NaN",
    b"inf",
    b"9" * 25,
    b"9" * 5000,
    b"1.5",
    b"true",
    b"[]",
    b"{}",
    b"[" * 3000,
    b'"',
    b"'",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"<",
    b"&#0;",
    b"\xff\xfe",
    "é".encode(),
    "²".encode(),
    "\u202e".encode(),
    b"../../x",
    b"%s",
    b"a" * 70_000,
)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Return `content` with one to four small changes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        change = draw.choice((_replace, _replace, _flip, _cut, _repeat, _swap, _number))
        data = change(data, draw)
    return bytes(data)


def _place(data: bytearray, draw: random.Random, longest: int) -> slice:
    start = draw.randrange(len(data) + 1)
    return slice(start, min(len(data), start + draw.randrange(longest + 1)))


def _replace(data: bytearray, draw: random.Random) -> bytearray:
    data[_place(data, draw, 12)] = draw.choice(TOKENS)
    return data


def _flip(data: bytearray, draw: random.Random) -> bytearray:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def _cut(data: bytearray, draw: random.Random) -> bytearray:
    if draw.random() < 0.5:
        return data[: draw.randrange(len(data) + 1)]
    del data[_place(data, draw, max(1, len(data) // 4))]
    return data


def _repeat(data: bytearray, draw: random.Random) -> bytearray:
    place = _place(data, draw, 200)
    data[place.stop : place.stop] = data[place] * draw.choice((1, 2, 50))
    return data


def _swap(data: bytearray, draw: random.Random) -> bytearray:
    one, other = _place(data, draw, 40), _place(data, draw, 40)
    text = bytes(data[one])
    data[other] = text
    return data


def _number(data: bytearray, draw: random.Random) -> bytearray:
    """Replace a digit with a number."""
    digits = [place for place, sign in enumerate(data) if 48 <= sign <= 57]
    if digits:
        place = draw.choice(digits)
        data[place : place + 1] = draw.choice((b"-1", b"1e9", b"999999999999", b"0", b"1e-320"))
    return data


ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    10**400,
    1.5,
    1e308,
    float("inf"),
    "",
    " ",
    "²",
    "9" * 5000,
    "x" * 70_000,
    "a\nb",
    "\u202e",
    "../../etc/passwd",
    [],
    {},
    [1, 2, 3, 4],
    [[[[[]]]]],
    {"a": {"b": {}}},
)


def odd_value(value: Any, draw: random.Random) -> Any:
    """Return a value of JSON with one part of it replaced or left out."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(list(value))
        changed = dict(value)
        if draw.random() < 0.2:
            del changed[key]
        else:
            changed[key] = odd_value(value[key], draw)
        return changed
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        return [*value[:place], odd_value(value[place], draw), *value[place + 1 :]]
    return draw.choice(ODD_VALUES)
