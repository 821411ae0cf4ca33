"""Draws labelled pairs and unlabelled triplets, and loads them in batches.

A sample is a function of (seed, epoch, number in the epoch, store version): the same with any
number of workers or of processes, and again after a resume.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ltr.data import faults
from ltr.data.seeding import generator
from ltr.parallel.distributed import get_world_size, rank_slice
from ltr.parallel.loader_workers import WORKER_SECONDS, require_shared_memory
from spot_ext.training.data.crops import CropConfig, search_window, template_window
from spot_ext.training.data.exploration import coarse_box, draw_pair, draw_unlabelled
from spot_ext.training.data.frames import FrameReader
from spot_ext.training.data.samples import LabelledPair, Triplet, collate
from spot_ext.training.data.videos import BURN_IN, SPARSE, VideoPool

# Bytes of a pixel of a crop.
CHANNELS = 3


@dataclass(frozen=True)
class Draw:
    """The place and kind of a sample to make."""

    stage: str
    unlabelled: bool
    epoch: int
    index: int  # number of the sample within the epoch
    version: int  # epoch of the store it is drawn from


class SampleSource(Dataset):
    """Makes the sample of a `Draw`."""

    def __init__(
        self,
        pool: VideoPool,
        crops: CropConfig,
        seed: int,
        propagating_step: int = 1,
        cache_mb: float = 256,
        distinct_relay: bool = True,
        pair_gap: int | None = None,
    ):
        pool.require_labelled()
        self.pool, self.crops, self.seed, self.pair_gap = pool, crops, seed, pair_gap
        self.propagating_step, self.distinct_relay = propagating_step, distinct_relay
        self.frames = FrameReader(pool, cache_mb, reduced=crops.decode == "reduced")

    def __getitem__(self, draw: Draw) -> LabelledPair | Triplet | faults.Faulty:
        """The sample; where a file cannot be used another draw, from a generator of its own, stands
        in (`faults`).
        """
        kind, make = ("triplet", self._triplet) if draw.unlabelled else ("pair", self._pair)

        def attempt(number: int) -> LabelledPair | Triplet:
            rng = generator(self.seed, kind, draw.epoch, draw.index, number)
            return make(
                draw, self.pool.draw_path(draw.stage, rng, labelled=not draw.unlabelled), rng
            )

        return faults.catching(lambda: faults.redraw(attempt))

    def _pair(self, draw: Draw, path: int, rng: np.random.Generator) -> LabelledPair:
        view = self.pool.store(draw.version).track(path)
        ids = draw_pair(view.key_ids, rng, self.pair_gap)
        boxes = [view.box_xywh(frame_id) for frame_id in ids]
        windows = [template_window(boxes[0], self.crops), search_window(boxes[1], self.crops, rng)]
        template, search = self.frames.crops(
            path, list(zip(ids, windows, strict=True)), view.key_ids, templates=(0,)
        )
        return LabelledPair(
            path, template, search, search.window.to_crop(boxes[1]).astype(np.float32)
        )

    def _triplet(self, draw: Draw, path: int, rng: np.random.Generator) -> Triplet:
        view = self.pool.store(draw.version).track(path)
        drawn = draw_unlabelled(view, rng, self.propagating_step, self.distinct_relay)
        coarse = coarse_box(view.frame_ids, view.boxes_xywh, drawn.frame_id)
        is_label = drawn.is_key and self.pool.is_labelled(
            path
        )  # what a machine drew names the target, no more
        unlabelled, augmented, key, relay = self.frames.crops(
            path,
            [
                (drawn.frame_id, search_window(coarse, self.crops)),
                (drawn.frame_id, search_window(coarse, self.crops, rng)),
                (drawn.key_id, template_window(view.box_xywh(drawn.key_id), self.crops)),
                (drawn.relay_id, template_window(view.box_xywh(drawn.relay_id), self.crops)),
            ],
            view.key_ids,
            templates=(2, 3),
        )
        return Triplet(
            path=path,
            frame_id=drawn.frame_id,
            frame_size=unlabelled.frame_size,
            key=key,
            unlabelled=unlabelled,
            relay=relay,
            augmented=augmented,
            label_xywh=np.asarray(view.box_xywh(drawn.frame_id), dtype=np.float64)
            if is_label
            else None,
        )


class EpochDraws(Sampler):
    """Lists of draws for one epoch's batches: `labelled` pairs and `unlabelled` triplets each.
    `start` sets the epoch.

    Of several processes each takes consecutive draws of every batch.
    """

    def __init__(self, iterations: int):
        self.iterations = iterations
        self.start(BURN_IN, 0, 0, 1, 0)

    def start(
        self, stage: str, epoch: int, version: int, labelled: int, unlabelled: int, done: int = 0
    ) -> None:
        """Prepare the batches of an epoch after the `done` first ones, read from store version
        `version`.
        """
        self.done = done
        self.stage, self.epoch, self.version, self.labelled, self.unlabelled = (
            stage,
            epoch,
            version,
            labelled,
            unlabelled,
        )

    def __len__(self) -> int:
        return self.iterations

    def __iter__(self) -> Iterator[list[Draw]]:
        for batch in range(self.done, self.iterations):
            pairs, triplets = (
                range(batch * count, (batch + 1) * count)[rank_slice(count)]
                for count in (self.labelled, self.unlabelled)
            )
            yield [Draw(self.stage, False, self.epoch, i, self.version) for i in pairs] + [
                Draw(self.stage, True, self.epoch, i, self.version) for i in triplets
            ]


class SparseLoader:
    """Loads batches for the whole run; its workers live through all epochs and both stages.

    More draws of an epoch than `max_fault_share` that meet unusable files end the run (`faults`).
    `largest_batch` is the number of pairs of the largest batch of the run, a triplet counting as
    two, for which workers need room in the shared memory.
    """

    def __init__(
        self,
        source: SampleSource,
        iterations: int,
        num_workers: int = 0,
        max_fault_share: float = 1.0,
        for_gpu: bool = False,
        largest_batch: int = 0,
    ):
        self._largest_batch = largest_batch
        self.pool = source.pool
        self._source, self._num_workers = source, num_workers
        self._are_workers_started = False
        self.faults = faults.FaultLog(max_fault_share)
        self.draws = EpochDraws(iterations)
        self.loader = DataLoader(
            source,
            batch_sampler=self.draws,
            collate_fn=faults.Collating(collate),
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            # Copies from pinned memory overlap with computation.
            pin_memory=for_gpu,
            # A process that uses CUDA must not be forked.
            multiprocessing_context="spawn" if for_gpu and num_workers else None,
            worker_init_fn=_single_threaded,
            timeout=WORKER_SECONDS if num_workers else 0,
        )

    def epoch(
        self, stage: str, epoch: int, version: int, labelled: int, unlabelled: int, done: int = 0
    ):
        """Iterate over the batches (`SparseBatch`) of an epoch: of several processes, over this
        one's part of each.
        """
        self.draws.start(
            stage, epoch, version, labelled, unlabelled if stage == SPARSE else 0, done
        )
        self.faults.start_epoch()
        own = (self.draws.labelled + self.draws.unlabelled) // get_world_size()
        if self._num_workers and not self._are_workers_started:
            crops = self._source.crops
            pixels = crops.template_size**2 + crops.search_size**2
            # Workers live through both stages. A triplet has twice the crops of a pair.
            samples = max(self._largest_batch, labelled + 2 * unlabelled) // get_world_size()
            require_shared_memory(samples * pixels * CHANNELS, self._num_workers)
            self._are_workers_started = True
        return self.faults.unpack(iter(self.loader), lambda _: own)

    def __len__(self) -> int:
        return self.draws.iterations


def _single_threaded(_worker: int) -> None:
    """Workers are parallel among themselves; threads inside each would only fight."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
