"""LaSOT's extension subset: 15 classes that LaSOT has not, with 10 sequences each, laid out like
LaSOT.
"""

from __future__ import annotations

from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.lasotdataset import LaSOTDataset


@evaluation_set("lasot_extension_subset")
class LaSOTExtensionSubsetDataset(LaSOTDataset):
    """All sequences `<class>/<class>-<k>` on disk; none of them is for training."""

    title, path_attribute, tag, expected = (
        "LaSOT extension subset",
        "lasot_extension_subset_path",
        "lasot_extension_subset",
        150,
    )

    def _chosen(self, on_disk: list[str]) -> tuple[list[str], str]:
        return on_disk, "every one on disk"
