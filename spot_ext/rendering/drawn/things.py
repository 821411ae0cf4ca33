"""The things that move: objects made of textured parts with joints, in families from balls to
walkers and cars.

Object units: x to the right, y down, the longer side of a thing spans about -1..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from spot_ext.rendering.drawn.textures import PATTERNS, SKIN_SIDE, Skin, palette, skin


@dataclass(frozen=True)
class Part:
    """A textured outline that turns about a joint."""

    contour_xy: np.ndarray  # (N, 2) object units
    skin: Skin
    round: float = 0.0  # 0: flat, 1: its skin wraps around it and it is shaded like a ball
    pivot_xy: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.0  # radians to either side, in step with the gait
    lag: float = 0.0  # radians of the gait by which it swings later
    spin: float = 0.0  # turns with each radian of the gait: wheels

    def turn(self, gait: float) -> np.ndarray:
        """The joint's motion at this moment of the gait, as a (2, 3) matrix over object units."""
        angle = self.swing * np.sin(gait + self.lag) + self.spin * gait
        c, s = np.cos(angle), np.sin(angle)
        x, y = self.pivot_xy
        return np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y]])


@dataclass(frozen=True)
class Thing:
    """An object: its parts from back to front, and how it behaves."""

    family: str
    parts: tuple[Part, ...]
    wobble: float = 0.0  # amplitude of its non-rigid bending, in object units
    tumbles: bool = False  # may turn by any angle in the image; else it stays upright
    on_ground: bool = False  # throws a shadow below itself

    def extent(self) -> np.ndarray:
        """Width and height at rest, in object units."""
        points = np.concatenate([part.contour_xy for part in self.parts])
        return points.max(0) - points.min(0)


def superellipse(
    rx: float, ry: float, power: float = 2.0, x: float = 0.0, y: float = 0.0, points: int = 40
) -> np.ndarray:
    """Outline (points, 2) around (x, y): a diamond at power 1, an ellipse at 2, nearly a rectangle
    from 5 up.
    """
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack(
        [
            x + rx * np.sign(c) * np.abs(c) ** (2 / power),
            y + ry * np.sign(s) * np.abs(s) ** (2 / power),
        ],
        1,
    )


def limb(x: float, y: float, dx: float, dy: float, thick: float, thin: float) -> np.ndarray:
    """Outline of a tapering limb from (x, y) along (dx, dy), `thick` wide at the joint and `thin`
    at its end.
    """
    length = max(np.hypot(dx, dy), 1e-6)
    nx, ny = -dy / length, dx / length
    t = np.linspace(0, 1, 6)
    half = (thick + (thin - thick) * t) / 2
    left = np.stack([x + dx * t + nx * half, y + dy * t + ny * half], 1)
    right = np.stack([x + dx * t - nx * half, y + dy * t - ny * half], 1)[::-1]
    return np.concatenate([left, [[x + dx * 1.04, y + dy * 1.04]], right])


def rounded(corners_xy: np.ndarray, steps: int = 2) -> np.ndarray:
    """The polygon with its corners cut `steps` times."""
    for _ in range(steps):
        after = np.roll(corners_xy, -1, axis=0)
        corners_xy = np.stack(
            [0.78 * corners_xy + 0.22 * after, 0.22 * corners_xy + 0.78 * after], 1
        ).reshape(-1, 2)
    return corners_xy


@dataclass(frozen=True)
class Wardrobe:
    """Skins that the parts of one thing, and of things that look like it, choose from."""

    main: Skin
    second: Skin
    dark: Skin
    light: Skin


def wardrobe(
    draw: np.random.Generator,
    hue: float | None = None,
    vivid: float | None = None,
    side: int = SKIN_SIDE,
) -> Wardrobe:
    """Draw a set of skins around `hue` (any when None), `vivid`ly coloured or grey, the main one
    `side` pixels wide.
    """
    hue = draw.random() if hue is None else hue
    vivid = draw.uniform(0.15, 0.85) if vivid is None else vivid
    away = draw.choice([0.12, 0.3, 0.5])
    one, two = palette(draw, hue, 0.05, 4, vivid), palette(draw, hue + away, 0.08, 4, vivid)
    kinds = draw.choice(PATTERNS, 4)
    dark = palette(draw, hue, 0.05, 3, vivid * 0.5) * 0.4
    light = 255 - 0.5 * (255 - palette(draw, hue + away, 0.05, 3, vivid * 0.5))
    return Wardrobe(
        main=skin(draw, one, two, (kinds[0], kinds[1]), side),
        second=skin(draw, two, one, (kinds[2], kinds[3]), side // 2),
        dark=skin(draw, dark, dark, ("noise", "noise"), side // 4),
        light=skin(draw, light, one, ("noise", kinds[2]), side // 4),
    )


def _ball(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    flat = draw.uniform(0.6, 1.0)
    body = Part(superellipse(1, flat, draw.uniform(1.9, 2.4)), wear.main, round=1.0)
    return Thing("ball", (body,), wobble=draw.uniform(0, 0.05), tumbles=True, on_ground=True)


def _crate(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    corners = int(draw.integers(4, 8))
    angle = (
        np.arange(corners) + draw.uniform(-0.25, 0.25, corners)
    ) * 2 * np.pi / corners + draw.random()
    outline = np.stack([np.cos(angle), draw.uniform(0.5, 0.95) * np.sin(angle)], 1)
    parts = [Part(rounded(outline, 1), wear.main, round=0.25)]
    for _ in range(draw.integers(1, 3)):
        x, y = draw.uniform(-0.35, 0.35, 2)
        half_width, half_height = draw.uniform(0.12, 0.3, 2)
        # A disc or a rounded square.
        exponent = draw.choice([2, 6])
        patch = superellipse(half_width, half_height, exponent, x, y)
        parts.append(Part(patch, wear.second, round=0.2))
    return Thing("crate", tuple(parts), wobble=0.02, tumbles=True)


def _jelly(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = 1 + sum(
        draw.uniform(0.03, 0.4 / k) * np.cos(k * angle + draw.uniform(0, 6.28)) for k in range(2, 7)
    )
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle) * draw.uniform(0.5, 1)], 1)
    parts = [Part(outline / np.abs(outline).max(), wear.main, round=0.7)]
    for side in (-1, 1):
        parts.append(Part(superellipse(0.1, 0.13, 2, side * 0.22, -0.15), wear.light, round=0.5))
        parts.append(Part(superellipse(0.05, 0.07, 2, side * 0.22 + 0.02, -0.13), wear.dark))
    return Thing("jelly", tuple(parts), wobble=draw.uniform(0.1, 0.2), tumbles=True)


def _beast(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    long, deep, leg = draw.uniform(0.5, 0.62), draw.uniform(0.2, 0.3), draw.uniform(0.32, 0.55)
    thick = draw.uniform(0.12, 0.2)

    def one_leg(x: float, lag: float, wear_leg: Skin) -> Part:
        return Part(
            limb(x, 0.4 * deep, draw.normal() * 0.03, leg, thick, 0.55 * thick),
            wear_leg,
            round=0.5,
            pivot_xy=(x, 0.3 * deep),
            swing=0.55,
            lag=lag,
        )

    neck, head = draw.uniform(0.1, 0.3), draw.uniform(0.15, 0.22)
    hx, hy = long + 0.6 * head, -deep - neck + 0.05
    parts = [
        one_leg(-0.75 * long, 0.0, wear.dark),
        one_leg(0.7 * long, 2.4, wear.dark),
        Part(
            limb(-long, -0.3 * deep, -0.35, draw.uniform(-0.35, 0.3), 0.12, 0.04),
            wear.second,
            pivot_xy=(-long, -0.3 * deep),
            swing=0.5,
            lag=1.0,
        ),
        Part(
            limb(
                0.75 * long, -0.2 * deep, hx - 0.75 * long, hy + 0.2 * deep, 1.3 * deep, 0.75 * head
            ),
            wear.main,
            round=0.5,
        ),
        Part(superellipse(long, deep, draw.uniform(2.1, 2.8)), wear.main, round=0.9),
        Part(
            limb(hx - 0.3 * head, hy - 0.5 * head, -0.05, -0.9 * head, 0.5 * head, 0.15 * head),
            wear.second,
        ),
        Part(superellipse(head, 0.8 * head, 2.2, hx, hy), wear.second, round=0.7),
        Part(
            superellipse(0.6 * head, 0.4 * head, 2, hx + 0.9 * head, hy + 0.25 * head),
            wear.light,
            round=0.5,
        ),
        Part(
            superellipse(0.13 * head, 0.13 * head, 2, hx + 0.3 * head, hy - 0.2 * head, 10),
            wear.dark,
        ),
        one_leg(-0.65 * long, np.pi, wear.main),
        one_leg(0.8 * long, np.pi + 2.4, wear.main),
    ]
    return Thing("beast", tuple(parts), wobble=0.03, on_ground=True)


def _walker(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    wide, hip, thick = draw.uniform(0.15, 0.24), draw.uniform(0.05, 0.15), draw.uniform(0.13, 0.19)
    head = draw.uniform(0.14, 0.19)
    shoulder = -0.5

    def member(
        x: float, y: float, dy: float, lag: float, size: float, wear_part: Skin, swing: float = 0.5
    ) -> Part:
        return Part(
            limb(x, y, 0, dy, size, 0.6 * size),
            wear_part,
            round=0.5,
            pivot_xy=(x, y),
            swing=swing,
            lag=lag,
        )

    parts = [
        member(0.0, shoulder + 0.05, 0.55, 0.0, 0.75 * thick, wear.second, 0.6),
        member(0.02, hip, 0.85, np.pi, thick, wear.dark),
        member(-0.02, hip, 0.85, 0.0, 1.1 * thick, wear.dark),
        Part(
            superellipse(wide, (hip - shoulder) / 2 + 0.12, 3, 0, (hip + shoulder) / 2),
            wear.main,
            round=0.9,
        ),
        Part(
            superellipse(0.8 * head, head, 2.2, 0.02, shoulder - 0.1 - 0.9 * head),
            wear.light,
            round=0.6,
        ),
        Part(
            superellipse(0.86 * head, 0.55 * head, 2, -0.01, shoulder - 0.18 - 1.25 * head),
            wear.dark,
        ),
        member(0.0, shoulder + 0.05, 0.55, np.pi, 0.8 * thick, wear.second, 0.6),
    ]
    if draw.random() < 0.4:  # a bag
        parts.insert(
            5, Part(superellipse(0.14, 0.2, 4, -wide - 0.06, -0.2), wear.second, round=0.4)
        )
    return Thing("walker", tuple(parts), wobble=0.02, on_ground=True)


def _car(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    front, back, roof = (
        draw.uniform(0.25, 0.6),
        draw.uniform(-0.95, -0.5),
        draw.uniform(-0.5, -0.32),
    )
    wheel = draw.uniform(0.17, 0.23)
    body = rounded(
        np.array(
            [
                [-1, -0.02],
                [-0.97, -0.14],
                [back, -0.17],
                [back + 0.18, roof],
                [front - 0.35, roof],
                [front, -0.15],
                [0.93, -0.08],
                [1, 0.05],
                [0.98, 0.24],
                [-0.97, 0.24],
            ]
        )
    )
    glass = rounded(
        np.array(
            [
                [back + 0.12, -0.17],
                [back + 0.24, roof + 0.06],
                [front - 0.38, roof + 0.06],
                [front - 0.1, -0.16],
            ]
        ),
        1,
    )
    middle = (back + front) / 2 - 0.05
    parts = [
        Part(body, wear.main, round=0.35),
        Part(glass, wear.dark, round=0.4),
        Part(superellipse(0.03, 0.16, 6, middle, roof + 0.2), wear.main),
        Part(superellipse(0.9, 0.035, 6, 0, 0.1), wear.second),
        Part(superellipse(0.06, 0.06, 3, 0.9, 0.02), wear.light),
    ]
    for x in (-0.58, 0.6):
        parts.append(Part(superellipse(wheel, wheel, 2, x, 0.24), wear.dark, round=0.3))
        for rx, ry, wear_part in (
            (0.6, 0.6, wear.light),
            (0.55, 0.1, wear.dark),
            (0.1, 0.55, wear.dark),
        ):
            outline = superellipse(rx * wheel, ry * wheel, 2, x, 0.24, 20)
            parts.append(Part(outline, wear_part, pivot_xy=(x, 0.24), spin=1.0))
    return Thing("car", tuple(parts), wobble=0.0, on_ground=True)


def _bird(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    long, span = draw.uniform(0.45, 0.6), draw.uniform(0.6, 0.85)

    def wing(dx: float, lag: float, wear_wing: Skin) -> Part:
        outline = np.array(
            [
                [-0.22, 0],
                [0.25, 0],
                [0.1 + dx, -0.55 * span],
                [-0.2 + dx, -span],
                [-0.4 + dx, -0.6 * span],
            ]
        )
        return Part(rounded(outline), wear_wing, round=0.3, pivot_xy=(0.0, 0.0), swing=0.8, lag=lag)

    parts = (
        wing(0.0, 0.4, wear.dark),
        Part(
            rounded(np.array([[-0.3, 0.0], [-long - 0.4, -0.14], [-long - 0.45, 0.12]]), 1),
            wear.second,
            pivot_xy=(-0.3, 0.0),
            swing=0.15,
        ),
        Part(superellipse(long, 0.19, 2, 0, 0.03), wear.main, round=0.9),
        Part(superellipse(0.16, 0.15, 2, long, -0.06), wear.second, round=0.7),
        Part(
            rounded(np.array([[long + 0.1, -0.1], [long + 0.36, -0.03], [long + 0.1, 0.02]]), 1),
            wear.light,
        ),
        wing(-0.1, 0.0, wear.main),
    )
    return Thing("bird", parts, wobble=0.03)


def _fish(draw: np.random.Generator, wear: Wardrobe) -> Thing:
    deep = draw.uniform(0.28, 0.48)
    tail = rounded(np.array([[-0.5, 0.0], [-1.0, -0.38], [-0.85, 0.0], [-1.0, 0.38]]), 1)
    parts = (
        Part(tail, wear.second, pivot_xy=(-0.5, 0.0), swing=0.35),
        Part(
            rounded(np.array([[-0.2, -0.6 * deep], [-0.35, -1.6 * deep], [0.3, -0.7 * deep]]), 1),
            wear.second,
        ),
        Part(superellipse(0.72, deep, 1.8, 0.15, 0), wear.main, round=0.9),
        Part(
            superellipse(0.2, 0.1, 2, 0.12, 0.12),
            wear.second,
            pivot_xy=(0.25, 0.12),
            swing=0.5,
            lag=0.7,
        ),
        Part(superellipse(0.07, 0.07, 2, 0.6, -0.08, 14), wear.light),
        Part(superellipse(0.035, 0.035, 2, 0.61, -0.08, 10), wear.dark),
    )
    return Thing("fish", parts, wobble=draw.uniform(0.06, 0.12), tumbles=True)


FAMILIES: dict[str, Callable[[np.random.Generator, Wardrobe], Thing]] = {
    "ball": _ball,
    "beast": _beast,
    "bird": _bird,
    "car": _car,
    "crate": _crate,
    "fish": _fish,
    "jelly": _jelly,
    "walker": _walker,
}


def thing(draw: np.random.Generator, family: str, wear: Wardrobe, facing: int = 1) -> Thing:
    """Draw a new member of `family` in these skins, looking to the right (`facing` 1) or left (-1),
    centred at 0.
    """
    made = FAMILIES[family](draw, wear)
    points = np.concatenate([part.contour_xy for part in made.parts])
    low, high = points.min(0), points.max(0)
    middle, scale = (low + high) / 2, 2 / (high - low).max()
    size = np.array([scale * facing, scale])

    def placed(part: Part) -> Part:
        contour = ((part.contour_xy - middle) * size).astype(np.float32)
        pivot = (np.asarray(part.pivot_xy) - middle) * size
        return replace(
            part,
            contour_xy=contour,
            pivot_xy=tuple(pivot),
            swing=part.swing * facing,
            spin=part.spin * facing,
        )

    return replace(made, parts=tuple(placed(part) for part in made.parts))
