"""DAVIS 2016 and 2017."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, read_names
from ltr.dataset.vos_base import VOSDataset

# (version, split) -> setting of local.py. The masks of test-challenge are not public, so nobody can
# run it from here.
SETTINGS = {
    ("2017", "train"): "davis_dir",
    ("2017", "val"): "davis_dir",
    ("2017", "test-dev"): "davis_testdev_dir",
    ("2016", "train"): "davis16_dir",
    ("2016", "val"): "davis16_dir",
}


@training_set()
class Davis(VOSDataset):
    """DAVIS at 480p: `JPEGImages/480p`, `Annotations/480p` and `ImageSets/<version>/<split>.txt`
    below `root`.

    Without `root` it is `davis_dir` of local.py, for 'test-dev' `davis_testdev_dir`, for version
    '2016' `davis16_dir` (2016's own lists, `ImageSets/480p/<split>.txt`, are understood).
    `sequences` keeps these only. For `multiobj` and `vis_threshold` see `VOSDataset`. Object ids
    are the labels in the masks; 2016's single object has the label 255.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: Sequence[str] | None = None,
        version: str = "2017",
        split: str = "train",
        multiobj: bool = True,
        vis_threshold: int = 10,
        image_loader: Callable = jpeg4py_loader,
    ):
        version = str(version)
        if (version, split) not in SETTINGS:
            known = [
                known_split for known_version, known_split in SETTINGS if known_version == version
            ]
            if not known:
                raise BadValue(f"Davis: Unknown version '{version}'; choose '2016' or '2017'")
            raise BadValue(
                f"Unknown split '{split}' of DAVIS {version}{suggestion(split, known)}; "
                f"choose one of {', '.join(known)}"
            )
        setting = SETTINGS[version, split]
        root = find_root(
            "DAVIS",
            setting,
            "ImageSets/*/*.txt",
            "ImageSets/, JPEGImages/480p/ and Annotations/480p/",
            root,
        )
        self.version, self.split = version, split
        super().__init__(
            f"DAVIS/{version}/{split}",
            "DAVIS",
            root,
            _listed(root, version, split),
            root / "JPEGImages" / "480p",
            root / "Annotations" / "480p",
            sequences,
            multiobj,
            vis_threshold,
            image_loader,
        )


def _listed(root: Path, version: str, split: str) -> list[str]:
    for folder in (version, "480p"):
        file = root / "ImageSets" / folder / f"{split}.txt"
        if file.is_file():
            # A line is a name, or in 2016's own lists the paths of an image and its mask.
            return list(
                dict.fromkeys(
                    line.split()[0].strip("/").split("/")[-2] if "/" in line else line
                    for line in read_names(file)
                )
            )
    raise MissingFile(
        f"DAVIS: there is no {root / 'ImageSets' / version / f'{split}.txt'}; this is another "
        "part of DAVIS, set "
        f"{SETTINGS[version, split]} in local.py to the folder that holds it"
    )
