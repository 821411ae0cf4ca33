"""DAVIS and YouTube-VOS for evaluation: the training toolkit's data sets, whose sequences become
`Sequence` objects.

A data set lies where the setting of pytracking's local.py says (`davis_dir`, `davis_testdev_dir`,
`davis16_dir`, `youtubevos_dir`) or, where that is empty or absent, where the setting of the same
name in ltr's local.py says.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ltr.admin.environment import find_env_settings
from ltr.admin.errors import NotConfigured
from ltr.dataset import davis, youtubevos
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.environment import env_settings, local_file


class Davis(davis.Davis):
    """`ltr.dataset.davis.Davis`, whose sequences trackers can run on."""

    def __init__(
        self,
        root: str | Path | None = None,
        version: str = "2017",
        split: str = "train",
        **kwargs: Any,
    ):
        super().__init__(
            root or _configured(davis.SETTINGS.get((str(version), split))),
            version=version,
            split=split,
            **kwargs,
        )

    def get_sequence_list(self) -> SequenceList:
        """Return one sequence a video, or with `multiobj=False` one an object."""
        return _as_sequences(super().get_sequence_list())


class YouTubeVOS(youtubevos.YouTubeVOS):
    """`ltr.dataset.youtubevos.YouTubeVOS`, whose sequences trackers can run on."""

    def __init__(self, root: str | Path | None = None, **kwargs: Any):
        super().__init__(root or _configured("youtubevos_dir"), **kwargs)

    def get_sequence_list(self) -> SequenceList:
        """Return one sequence a video, or with `multiobj=False` one an object."""
        return _as_sequences(super().get_sequence_list())


def _as_sequences(described: Iterable[Any]) -> SequenceList:
    """Make ltr's descriptions of videos sequences of the evaluation."""
    return SequenceList(Sequence(**vars(one)) for one in described)


def _configured(setting: str | None) -> str | None:
    """Folder of the data set; None for a split that does not exist, which the data set says."""
    if setting is None:
        return None
    for settings in (env_settings(), find_env_settings()):
        if getattr(settings, setting, ""):
            return getattr(settings, setting)
    raise NotConfigured(
        f"{setting} is not set in {local_file()}, nor in the training's local.py - point it at "
        "the data set; "
        "without data, `python ltr/run_training.py spot quickstart` and then `--dataset_name toy` "
        "run on "
        "rendered videos"
    )
