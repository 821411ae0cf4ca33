"""NFS (need for speed): `sequences/<n>/%05d.jpg` and `anno/nfs_<n>.txt`; sequences are named
`nfs_<n>`.
"""

from __future__ import annotations

from pathlib import Path

from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.lists import report_without_frames
from pytracking.evaluation.tabledataset import TableDataset, text_stems


@evaluation_set("nfs")
class NFSDataset(TableDataset):
    """The sequences with a file in `anno`, sorted by name. Frames are numbered from 1, one per
    row.
    """

    title, path_attribute, tag, expected = "NFS", "nfs_path", "nfs", 100
    layout = "anno/nfs_<sequence>.txt"

    def __init__(self, root: str | None = None):
        super().__init__(root=root)

    def _describe_sequences(self) -> list[dict]:
        names = [stem for stem in text_stems(f"{self.base_path}/anno") if stem.startswith("nfs_")]
        infos: list[dict] = [
            {
                "name": name,
                "path": f"sequences/{name[4:]}",
                "startFrame": 1,
                "endFrame": self.row_count(f"anno/{name}.txt"),
                "nz": 5,
                "ext": "jpg",
                "anno_path": f"anno/{name}.txt",
            }
            for name in names
        ]
        report_without_frames(
            self.title, ((info["name"], str(Path(self.base_path, info["path"]))) for info in infos)
        )
        return infos
