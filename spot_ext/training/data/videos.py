"""The videos a run trains on: data sets, their target paths, and where each path's labels and
pseudo-labels are.

Annotation files are opened once, when the store is made, and only at the labelled rows; training
reads boxes from the store and pixels from the data set, nothing else.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.dataset.base_video_dataset import BaseVideoDataset
from spot_ext.boxes.key_frames import sequence_key
from spot_ext.boxes.labels import LabelSet, SequenceTrack
from spot_ext.boxes.track import ObjectTrack
from spot_ext.training.pseudo_labels import INDEX_FILE, PseudoLabelStore

log = logging.getLogger(__name__)

BURN_IN, SPARSE = "burnin", "sparse"
STAGES = (BURN_IN, SPARSE)


@dataclass(frozen=True)
class LabelledDataset:
    """A data set, which of its frames carry boxes, and the stages it is to serve, of those its
    labels are fit for.
    """

    dataset: BaseVideoDataset
    labels: LabelSet
    stages: tuple[str, ...] = STAGES


def stages_of(labels: LabelSet) -> tuple[str, ...]:
    """The stages that labels are fit for: what their file says as `stage`; else boxes of a machine
    the sparse one only.
    """
    stages = labels.extra.get("stage", STAGES if labels.mode == "key_frames" else (SPARSE,))
    if isinstance(stages, str) or not set(stages) <= set(STAGES):
        raise BadValue(
            f"{labels.name}: the label file's stage is {stages!r}; it must be a list of "
            f"{' and '.join(STAGES)}"
        )
    return tuple(stages)


@dataclass(frozen=True)
class _Source:
    """A data set's part of the store: path `first + i` belongs to sequence `seq_ids[i]`."""

    dataset: BaseVideoDataset
    stages: tuple[str, ...]
    labelled: bool  # by people; otherwise the boxes of its key frames are a machine's
    seq_ids: np.ndarray  # (P,) sequence of each path
    first: int
    video_starts: (
        np.ndarray
    )  # (V + 1,) paths of video v are first + [video_starts[v], video_starts[v + 1])


class VideoPool:
    """All videos of a run. Cheap to send to loader workers: data set indices and a folder name, no
    pixels, no boxes.
    """

    def __init__(self, sources: Sequence[LabelledDataset], store_folder: Path):
        self.store_folder = Path(store_folder)
        self.sources: list[_Source] = []
        self._store: PseudoLabelStore | None = None
        self.num_labels = count = 0
        for source in sources:
            seq_ids, starts = [], [0]
            for seq_id in range(source.dataset.get_num_sequences()):
                video = source.labels.videos.get(sequence_key(source.dataset, seq_id))
                if video is not None:
                    seq_ids += [seq_id] * len(video.tracks)
                    starts.append(len(seq_ids))
                    self.num_labels += sum(len(track) for track in video.tracks)
            if not seq_ids:
                raise BadInput(
                    f"{source.dataset.get_name()}: no video of the data set is named in the labels "
                    f"'{source.labels.dataset}'; choose key frames anew or point at the right "
                    "label file"
                )
            fit = stages_of(source.labels)
            stages = tuple(stage for stage in source.stages if stage in fit)
            labelled = (
                source.labels.mode == "key_frames" or BURN_IN in fit
            )  # who has burn-in learn from them trusts them
            self.sources.append(
                _Source(
                    source.dataset, stages, labelled, np.array(seq_ids), count, np.array(starts)
                )
            )
            count += len(seq_ids)
        self.num_paths = count
        self.num_videos = sum(len(s.video_starts) - 1 for s in self.sources)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_store": None}  # each worker opens its own memory map

    def open_store(self, sources: Sequence[LabelledDataset]) -> PseudoLabelStore:
        """Return the store's labels-only version.

        It is made on first use by reading the labelled rows of every annotation file once. Where it
        is damaged, or gone while checkpoints are there, it is made again; versions of later epochs
        stay. A store that was made for other labels is refused.
        """

        def entries() -> list[SequenceTrack]:
            return [self._entry(*place) for place in self._places(sources)]

        has_checkpoints = any(self.store_folder.parent.glob("*.pth.tar"))
        if not (self.store_folder / INDEX_FILE).exists() and not has_checkpoints:
            return PseudoLabelStore.create(self.store_folder, entries())
        try:
            store = PseudoLabelStore.open(self.store_folder, 0)
        except BadInput as error:
            store = PseudoLabelStore.mend(self.store_folder, entries())
            log.warning("%s; it was written anew from the labels", str(error).partition(";")[0])
            return store
        store.require_labels(
            [
                ((key, number), track.frame_ids.tolist())
                for _, _, key, number, track in self._places(sources)
            ]
        )
        return store

    def _places(
        self, sources: Sequence[LabelledDataset]
    ) -> Iterator[tuple[BaseVideoDataset, int, str, int, ObjectTrack]]:
        """Data set, sequence, key, number within the video and labels of every path, in the store's
        order.

        A video that several data sets have, e.g. one with labels and one with targets found in it,
        numbers its paths through.
        """
        numbers: Counter[str] = Counter()
        once: set[tuple[str, tuple[int, ...]]] = set()
        for part, source in zip(self.sources, sources, strict=True):
            for seq_id in dict.fromkeys(part.seq_ids.tolist()):
                key = sequence_key(source.dataset, seq_id)
                for track in source.labels.videos[key].tracks:
                    frame_ids = tuple(track.frame_ids.tolist())
                    if not track.has_boxes and (key, frame_ids) in once:
                        raise BadInput(
                            f"{source.dataset.get_name()}: the labels of '{key}' are given twice; "
                            "use each data set "
                            "once"
                        )
                    once.add((key, frame_ids))
                    yield source.dataset, seq_id, key, numbers[key], track
                    numbers[key] += 1

    @staticmethod
    def _entry(
        dataset: BaseVideoDataset, seq_id: int, key: str, number: int, track: ObjectTrack
    ) -> SequenceTrack:
        boxes = track.boxes_xywh
        if not track.has_boxes:
            boxes = dataset.get_boxes(seq_id, track.frame_ids.tolist())
        length = dataset.get_sequence_length(seq_id)
        return SequenceTrack.labelled(key, number, track, boxes, length)

    def store(self, epoch: int) -> PseudoLabelStore:
        """The store as it was after `epoch` (0: labels only), mapped once per process and epoch."""
        if self._store is None:
            self._store = PseudoLabelStore.open(self.store_folder, epoch, verify=False)
        elif self._store.epoch != epoch:
            self._store.reopen(epoch)
        return self._store

    def draw_path(self, stage: str, rng: np.random.Generator, labelled: bool = False) -> int:
        """A data set of the stage with equal probability, then one of its videos, then one of its
        targets.

        `labelled` leaves out the data sets that people have not labelled.
        """
        sources = [
            source
            for source in self.sources
            if stage in source.stages and (source.labelled or not labelled)
        ]
        if not sources:
            raise BadInput(
                f"no data set serves the stage '{stage}': give one of them stages that name it"
            )
        source = sources[rng.integers(len(sources))]
        video = rng.integers(len(source.video_starts) - 1)
        return source.first + int(
            rng.integers(source.video_starts[video], source.video_starts[video + 1])
        )

    def require_labelled(self) -> None:
        """BadInput when the sparse stage has unlabelled videos but no labelled ones: known before
        burn-in rather than after.
        """
        parts = [source for source in self.sources if SPARSE in source.stages]
        if parts and not any(source.labelled for source in parts):
            raise BadInput(
                f"no labelled data set serves the stage '{SPARSE}', as "
                f"{parts[0].dataset.get_name()} without labels "
                "does: let one of the labelled ones serve it, too"
            )

    def locate(self, path: int) -> tuple[BaseVideoDataset, int]:
        """Data set and sequence id of a path."""
        source = self._source(path)
        return source.dataset, int(source.seq_ids[path - source.first])

    def is_labelled(self, path: int) -> bool:
        """Say whether people drew the boxes of a path's key frames."""
        return self._source(path).labelled

    def _source(self, path: int) -> _Source:
        return next(source for source in reversed(self.sources) if source.first <= path)
