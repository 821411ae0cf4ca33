"""Challenge attributes of sequences (occlusion, fast motion, …), from pytracking's JSON tables.

The tables are not part of this package. They are looked for in `pytracking/evaluation/dataset_attribute_specs/` and,
when `dataspec_path` in local.py names the `ltr/data_specs` of a pytracking checkout, in that checkout.
"""

from __future__ import annotations

import json
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from pytracking.evaluation.environment import PACKAGE, env_settings
from pytracking.utils.load_text import read_text

SPEC_FOLDER = Path("pytracking") / "evaluation" / "dataset_attribute_specs"


class AttributeTable:
    """The JSON table of one data set: `att_name_long`, `att_name_short`, and the short names of every sequence."""

    def __init__(self, dataset: str, file_name: str):
        self.dataset = dataset
        self.path = self._find(file_name)
        try:
            self.table = json.loads(read_text(self.path))
            self.short, self.long = list(self.table["att_name_short"]), list(self.table["att_name_long"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{dataset}: {self.path} is no attribute table ({type(error).__name__}: {error})") from None

    def _find(self, file_name: str) -> Path:
        places = [PACKAGE.parent / SPEC_FOLDER]
        specs = getattr(env_settings(), "dataspec_path", "")
        if specs:
            places.append(Path(specs).resolve().parents[1] / SPEC_FOLDER)
        for place in places:
            if (place / file_name).is_file():
                return place / file_name
        raise MissingFile(f"{self.dataset}: no attribute table {file_name} in {' or '.join(map(str, places))} - copy "
                          "it there from a pytracking checkout, or set dataspec_path in local.py to its ltr/data_specs")

    def names(self, mode: str = "short") -> list[str]:
        """The attribute names, 'short' or (any other mode) long."""
        return self.short if mode == "short" else self.long

    def select(self, sequences: list[str], attribute: str) -> list[str]:
        """Those of `sequences` that have `attribute`, given by its short or long name."""
        if attribute in self.long:
            attribute = self.short[self.long.index(attribute)]
        if attribute not in self.short:
            near = suggestion(attribute, self.short)
            raise BadValue(f"{self.dataset}: unknown attribute '{attribute}'{near} - known are {', '.join(self.short)}")
        return [name for name in sequences if attribute in self.table.get(name, ())]
