"""Challenge attributes of sequences (occlusion, fast motion, …).

They come from pytracking's JSON tables or from the data sets' own attribute files; neither is part
of this package.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from pytracking.evaluation.environment import PACKAGE, env_settings
from pytracking.utils.load_text import read_flags, read_text

SPEC_FOLDER = Path("pytracking") / "evaluation" / "dataset_attribute_specs"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OfficialAttributes:
    """A data set's own attribute files: `<folder>/<sequence>.txt` below its root, one row of 0 and
    1.

    `columns` names what each column says, as pairs of short and long name, in the order of the
    official toolkit.
    """

    folder: str
    columns: tuple[tuple[str, str], ...]


class AttributeTable:
    """Attributes of the sequences of one data set.

    Looked for in this order: the JSON `file_name` in
    `pytracking/evaluation/dataset_attribute_specs/`, in the data set's folder `base_path`, in the
    pytracking checkout whose `ltr/data_specs` is `dataspec_path` of local.py; then the data set's
    `official` files. The JSON holds `att_name_long`, `att_name_short`, and the short names of every
    sequence.
    """

    def __init__(
        self,
        dataset: str,
        file_name: str,
        base_path: str = "",
        official: OfficialAttributes | None = None,
    ):
        self.dataset = dataset
        places = [PACKAGE.parent / SPEC_FOLDER]
        if base_path:
            places.append(Path(base_path))
        specs = getattr(env_settings(), "dataspec_path", "")
        if specs:
            places.append(Path(specs).expanduser().resolve().parents[1] / SPEC_FOLDER)
        table = next((place / file_name for place in places if (place / file_name).is_file()), None)
        folder = Path(base_path) / official.folder if base_path and official else None
        if table is not None:
            self._read_table(table)
        elif official is not None and folder is not None and folder.is_dir():
            self._read_official(folder, official)
        else:
            own = f", nor a folder {folder}" if folder else ""
            raise MissingFile(
                f"{dataset}: no attribute table {file_name} in "
                f"{' or '.join(map(str, places))}{own} - copy "
                "it there from a pytracking checkout, or set dataspec_path in local.py to its "
                "ltr/data_specs"
            )

    def _read_table(self, path: Path) -> None:
        try:
            self.table = json.loads(read_text(path))
            self.short, self.long = (
                list(self.table["att_name_short"]),
                list(self.table["att_name_long"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{self.dataset}: {path} is no attribute table ({type(error).__name__}: {error})"
            ) from None

    def _read_official(self, folder: Path, official: OfficialAttributes) -> None:
        self.short, self.long = ([column[i] for column in official.columns] for i in (0, 1))
        self.table = {}
        for file in sorted(folder.glob("*.txt")):
            flags = read_flags(file)
            if len(flags) != len(self.short):
                raise BadValue(
                    f"{self.dataset}: {file} has {len(flags)} entries where {len(self.short)} "
                    "belong "
                    f"({', '.join(self.short)})"
                )
            self.table[_plain(file.stem)] = [
                name for name, flag in zip(self.short, flags, strict=True) if flag
            ]
        _log.info("%s: attributes from %s, columns %s", self.dataset, folder, " ".join(self.short))

    def names(self, mode: str = "short") -> list[str]:
        """The attribute names, 'short' or (any other mode) long."""
        return self.short if mode == "short" else self.long

    def select(
        self, sequences: list[str], attribute: str, key: Callable[[str], str] = str
    ) -> list[str]:
        """Return those of `sequences` that have `attribute`, given by its short or long name; `key`
        is their name in the table.
        """
        if attribute in self.long:
            attribute = self.short[self.long.index(attribute)]
        if attribute not in self.short:
            near = suggestion(attribute, self.short)
            raise BadValue(
                f"{self.dataset}: unknown attribute '{attribute}'{near} - known are "
                f"{', '.join(self.short)}"
            )
        return [
            name
            for name in sequences
            if attribute in (self.table.get(key(name)) or self.table.get(_plain(key(name))) or ())
        ]


def _plain(name: str) -> str:
    """The spelling under which names of sequences and of attribute files meet: `Jogging_1` and
    `jogging-1`.
    """
    return name.lower().replace("-", "_")


class WithAttributes:
    """Mix-in of data sets whose sequences can be chosen by attribute. It expects `title` and
    `base_path`.
    """

    title: str
    base_path: str
    attribute_file: str
    official_attributes: OfficialAttributes | None = None

    def _attributes(self) -> AttributeTable:
        return AttributeTable(
            self.title, self.attribute_file, self.base_path, self.official_attributes
        )

    def get_attribute_names(self, mode: str = "short") -> list[str]:
        """Names of the challenge attributes: 'short', or with any other mode long."""
        return self._attributes().names(mode)
