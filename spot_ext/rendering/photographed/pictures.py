"""Find the photographs: packages that ship them under a free licence. Nothing is
downloaded here.

Python packages are looked for where they are installed; Debian packages below `/` and below the
folder that the environment variable `SPOT_PICTURES` names, into which `dpkg-deb -x PACKAGE.deb`
unpacks one without installing it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ltr.admin.errors import BadValue, NotConfigured, suggestion

PICTURES_VARIABLE = "SPOT_PICTURES"


@dataclass(frozen=True)
class Source:
    """Files of one package: whole pictures, and cut-outs that bring their own transparency."""

    package: str
    licence: str
    base: str  # importable package, or a path below / for a Debian package
    photos: tuple[str, ...] = ()  # patterns below the base
    cutouts: tuple[str, ...] = ()
    debian: bool = False

    def folder(self) -> Path | None:
        """The folder the patterns are relative to; None when the package is not there."""
        if not self.debian:
            found = importlib.util.find_spec(self.base)
            return Path(found.origin).parent if found and found.origin else None
        for root in filter(None, (os.environ.get(PICTURES_VARIABLE), "/")):
            if (folder := Path(root) / self.base).is_dir():
                return folder
        return None

    def how_to_get(self) -> str:
        """The command that brings the package."""
        if not self.debian:
            return f"pip install {self.package}"
        return (
            f"apt-get install {self.package}, or apt-get download {self.package} and dpkg-deb -x "
            "it into a folder that "
            f"{PICTURES_VARIABLE} names"
        )


_STAMPS = tuple(
    f"stamps/{folder}/*.png"
    for folder in (
        "animals/amphibians",
        "animals/birds",
        "animals/fish",
        "animals/insects",
        "animals/lizards",
        "animals/mammals",
        "animals/mammals/*",
        "animals/marsupials",
        "animals/shellfish",
        "food/fruit",
        "food/nuts",
        "food/vegetables",
        "hobbies",
        "hobbies/music/*",
        "household",
        "household/dishes",
        "household/dishes/utensils",
        "household/tools",
        "military",
        "military/vehicles",
        "people",
        "people/toys",
        "plants",
        "plants/flowers",
        "plants/mushrooms",
        "plants/trees",
        "space",
        "space/planets",
        "sports",
        "town",
        "town/roadsigns",
        "vehicles",
        "vehicles/auto",
        "vehicles/construction",
        "vehicles/cycle",
        "vehicles/emergency",
        "vehicles/flight",
        "vehicles/flight/planes",
        "vehicles/masstransit",
        "vehicles/race",
        "vehicles/ship",
    )
)

SOURCES: dict[str, tuple[Source, ...]] = {
    "wheels": (
        Source(
            "scikit-image",
            "pictures CC0, public domain or no known copyright (skimage.data's docs)",
            "skimage",
            tuple(
                f"data/{name}"
                for name in (
                    "astronaut.png",
                    "brick.png",
                    "camera.png",
                    "chelsea.png",
                    "coffee.png",
                    "coins.png",
                    "grass.png",
                    "gravel.png",
                    "hubble_deep_field.jpg",
                    "ihc.png",
                    "retina.jpg",
                    "rocket.jpg",
                )
            ),
        ),
        Source(
            "scikit-learn",
            "pictures CC-BY-2.0 (sklearn/datasets/images/README.txt)",
            "sklearn",
            ("datasets/images/*.jpg",),
        ),
        Source(
            "matplotlib",
            "portrait by the US Navy, public domain",
            "matplotlib",
            ("mpl-data/sample_data/grace_hopper.jpg",),
        ),
    ),
    "tuxpaint": (
        Source("tuxpaint-stamps-default", "GPL-2+", "usr/share/tuxpaint", (), _STAMPS, debian=True),
        Source(
            "tuxpaint-data",
            "GPL-2+",
            "usr/share/tuxpaint",
            ("templates/*.jpg", "starters/reef-back.png", "starters/skyline-sf-dusk-back.jpeg"),
            debian=True,
        ),
    ),
    "wallpapers": (
        Source(
            "mate-backgrounds",
            "GPL-2+",
            "usr/share/backgrounds/mate",
            ("nature/*.jpg",),
            debian=True,
        ),
        Source(
            "plasma-workspace-wallpapers",
            "LGPL-3, Volna CC-BY-SA-4.0 (metadata.json beside each); Debian: GPL-2+",
            "usr/share/wallpapers",
            tuple(
                f"{name}/contents/images/*"
                for name in (
                    "BytheWater",
                    "ColdRipple",
                    "ColorfulCups",
                    "DarkestHour",
                    "EveningGlow",
                    "FallenLeaf",
                    "Grey",
                    "Kite",
                    "OneStandsOut",
                    "Path",
                    "summer_1am",
                    "Volna",
                )
            ),
            debian=True,
        ),
    ),
    "drawn": (),
}  # the backgrounds and things of spot_ext.rendering.drawn: always there


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """These sources in the order of `SOURCES`, after a look that each is known and installed."""
    if isinstance(names, str):
        names = (names,)
    for name in names:
        if name not in SOURCES:
            raise BadValue(
                f"scenes: no picture source '{name}'{suggestion(name, SOURCES)}: choose from "
                f"{', '.join(SOURCES)}"
            )
        for source in SOURCES[name]:
            if not files(source, "photos") and not files(source, "cutouts"):
                raise NotConfigured(
                    f"scenes: the picture source '{name}' needs the package {source.package}: "
                    f"{source.how_to_get()}; or leave the source out"
                )
    if not names:
        raise BadValue(f"scenes: no picture source is given: choose from {', '.join(SOURCES)}")
    return tuple(name for name in SOURCES if name in names)


def files(source: Source, kind: str) -> list[Path]:
    """The source's `photos` or `cutouts`, sorted by name; of a wallpaper in many sizes the one
    nearest to 1920 pixels.
    """
    folder = source.folder()
    if folder is None:
        return []
    found: list[Path] = []
    for pattern in getattr(source, kind):
        matches = sorted(folder.glob(pattern))
        found += (
            [min(matches, key=_off_size)] if pattern.endswith("images/*") and matches else matches
        )
    return found


def licences(names: Sequence[str]) -> dict[str, str]:
    """Licence of each package of these sources, as its own files state it: for the card of a model
    trained on them.
    """
    return {source.package: source.licence for name in names for source in SOURCES[name]}


def _off_size(path: Path) -> tuple[int, str]:
    width = path.name.partition("x")[0]
    return (abs(int(width) - 1920) if width.isdecimal() else 10**6), path.name


def all_files(names: Sequence[str], kind: str) -> Iterator[tuple[str, Path]]:
    """(source name, file) of every picture of these sources."""
    for name in names:
        for source in SOURCES[name]:
            for path in files(source, kind):
                yield name, path
