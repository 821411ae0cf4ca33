"""SP-TransT with three boxes per video, and videos without any label in the sparse stage (TIP 2024,
unlabelled videos).

The unlabelled videos are those in `folder_dir` of local.py. Find targets in them first, see
docs/budget-study.md:

    python -m spot_ext discover VIDEOS --mode motion --out <workspace_dir>/labels
"""

from pathlib import Path

from ltr.admin.errors import BadInput, MissingFile
from ltr.admin.invocation import spot_command
from ltr.train_settings.spot import transt_sparse
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.data.videos import SPARSE


def config(targets: str | None = None) -> SparseConfig:
    """`transt_sparse` and one more data set, with the label file `targets`, that burn-in never
    sees.
    """
    labelled = transt_sparse.config()
    unlabelled = DatasetConfig("VideoFolder", {}, stages=(SPARSE,), labels=targets)
    return labelled.replace(
        datasets=(*labelled.datasets, unlabelled), publish="spot_transt_unlabelled"
    )


def run(settings) -> None:
    """Train with the targets that `discover` found."""
    settings.description = "SP-TransT, sparse annotation and unlabelled videos"
    recipe.train(
        settings, config(found_targets(Path(settings.env.workspace_dir).expanduser() / "labels"))
    )


def found_targets(folder: Path) -> str:
    """The one label file of found targets in `folder`; BadInput when there are none or several."""
    files = sorted(file for mode in ("det", "mot") for file in folder.glob(f"*_{mode}_*.json"))
    if not files:
        raise MissingFile(
            f"no targets of unlabelled videos in '{folder}': find some with "
            f"`{spot_command('discover', 'VIDEOS', '--mode', 'motion', '--out', folder)}`"
        )
    if len(files) > 1:
        raise BadInput(
            f"'{folder}' has targets of unlabelled videos in {len(files)} files ({files[0].name}, "
            f"{files[1].name}, "
            "…); leave one of them there"
        )
    return str(files[0])
