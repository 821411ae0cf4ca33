"""The videos a run trains on: data sets, their target paths, and where each path's labels and pseudo-labels are.

Annotation files are opened once, when the store is made, and only at the labelled rows; training reads boxes from the
store and pixels from the data set, nothing else.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput
from ltr.dataset.base_video_dataset import BaseVideoDataset
from spot_ext.labels.key_frames import sequence_key
from spot_ext.labels.types import LabelSet, TargetPath
from spot_ext.store import INDEX_FILE, PathEntry, PseudoLabelStore

log = logging.getLogger(__name__)

BURN_IN, SPARSE = "burnin", "sparse"
STAGES = (BURN_IN, SPARSE)


@dataclass(frozen=True)
class LabelledDataset:
    """A data set, which of its frames carry boxes, and the stages it serves."""

    dataset: BaseVideoDataset
    labels: LabelSet
    stages: tuple[str, ...] = STAGES


@dataclass(frozen=True)
class _Source:
    """One data set's part of the store: path `first + i` belongs to sequence `seq_ids[i]`."""

    dataset: BaseVideoDataset
    stages: tuple[str, ...]
    seq_ids: np.ndarray  # (P,) sequence of each path
    first: int
    video_starts: np.ndarray  # (V + 1,) paths of video v are first + [video_starts[v], video_starts[v + 1])


class VideoPool:
    """All videos of a run. Cheap to send to loader workers: data set indices and a folder name, no pixels, no boxes."""

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
                    seq_ids += [seq_id] * len(video.paths)
                    starts.append(len(seq_ids))
                    self.num_labels += sum(len(path.frame_ids) for path in video.paths)
            if not seq_ids:
                raise BadInput(f"{source.dataset.get_name()}: no video of the data set is named in the labels "
                               f"'{source.labels.dataset}'; choose key frames anew or point at the right label file")
            self.sources.append(_Source(source.dataset, tuple(source.stages), np.array(seq_ids), count, np.array(starts)))
            count += len(seq_ids)
        self.num_paths = count
        self.num_videos = sum(len(s.video_starts) - 1 for s in self.sources)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_store": None}  # each worker opens its own memory map

    def open_store(self, sources: Sequence[LabelledDataset]) -> PseudoLabelStore:
        """The store's labels-only version, made on first use by reading the labelled rows of every annotation file once.

        A store that was made for other labels is refused.
        """
        if not (self.store_folder / INDEX_FILE).exists():
            return PseudoLabelStore.create(self.store_folder, [self._entry(*place) for place in self._places(sources)])
        store = PseudoLabelStore.open(self.store_folder, 0)
        store.require_labels([((key, number), path.frame_ids) for _, _, key, number, path in self._places(sources)])
        return store

    def _places(self, sources: Sequence[LabelledDataset]) -> Iterator[tuple[BaseVideoDataset, int, str, int, TargetPath]]:
        """Data set, sequence, key, number within the video and labels of every path, in the store's order."""
        for part, source in zip(self.sources, sources, strict=True):
            previous, number = None, 0
            for seq_id in part.seq_ids.tolist():
                number = number + 1 if seq_id == previous else 0
                previous, key = seq_id, sequence_key(source.dataset, seq_id)
                yield source.dataset, seq_id, key, number, source.labels.videos[key].paths[number]

    @staticmethod
    def _entry(dataset: BaseVideoDataset, seq_id: int, key: str, number: int, path: TargetPath) -> PathEntry:
        boxes = path.boxes_xywh if path.boxes_xywh is not None else dataset.get_boxes(seq_id, list(path.frame_ids))
        return PathEntry(key, number, dataset.get_sequence_length(seq_id), path.frame_ids, np.asarray(boxes))

    def store(self, epoch: int) -> PseudoLabelStore:
        """The store as it was after `epoch` (0: labels only), mapped once per process and epoch."""
        if self._store is None:
            self._store = PseudoLabelStore.open(self.store_folder, epoch, verify=False)
        elif self._store.epoch != epoch:
            self._store.reopen(epoch)
        return self._store

    def draw_path(self, stage: str, rng: np.random.Generator) -> int:
        """A data set of the stage with equal probability, then one of its videos, then one of its targets."""
        sources = [source for source in self.sources if stage in source.stages]
        if not sources:
            raise BadInput(f"no data set serves the stage '{stage}': give one of them stages that name it")
        source = sources[rng.integers(len(sources))]
        video = rng.integers(len(source.video_starts) - 1)
        return source.first + int(rng.integers(source.video_starts[video], source.video_starts[video + 1]))

    def locate(self, path: int) -> tuple[BaseVideoDataset, int]:
        """Data set and sequence id of a path."""
        source = next(s for s in reversed(self.sources) if s.first <= path)
        return source.dataset, int(source.seq_ids[path - source.first])


class FrameReader:
    """Decodes frames and keeps the most recently used ones, up to `cache_mb` megabytes in each process.

    Key frames of a small data set then decode once. A larger value costs that much memory in every worker.
    """

    def __init__(self, pool: VideoPool, cache_mb: float):
        self.pool = pool
        self.limit = int(cache_mb * 2**20)
        self._frames: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._bytes = 0

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_frames": OrderedDict(), "_bytes": 0}

    def read(self, path: int, frame_id: int) -> np.ndarray:
        """Frame `(H, W, 3)` uint8 RGB of the path's video."""
        key = (path, frame_id)
        if key in self._frames:
            self._frames.move_to_end(key)
            return self._frames[key]
        dataset, seq_id = self.pool.locate(path)
        frame = dataset.get_frame(seq_id, frame_id)
        self._frames[key] = frame
        self._bytes += frame.nbytes
        while self._bytes > self.limit and self._frames:
            self._bytes -= self._frames.popitem(last=False)[1].nbytes
        return frame
