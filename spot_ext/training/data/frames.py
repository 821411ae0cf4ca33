"""Reads the frames of a sample and cuts its crops: each frame is decoded once, key frames and their
templates are kept.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from ltr.data import crops as cropping
from ltr.data.image_loader import ReducedImage, default_image_loader, read_reduced
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.io.byte_cache import BYTES_PER_MB, ByteCache
from spot_ext.training.data.samples import Crop
from spot_ext.training.data.videos import VideoPool

# Factors by which libjpeg-turbo reduces at next to no cost.
FACTORS = (8, 4, 2)
# Part of the cache for whole frames; the rest is for templates, a fiftieth of a frame each.
FRAMES_SHARE = 0.75


class FrameReader:
    """Decodes frames and cuts crops out of them; keeps recent frames, up to `cache_mb` megabytes in
    each process.

    Frames with labels stay before others, as they are drawn again and again: those of a small data
    set then decode once. A quarter of the space is for templates of labelled frames, a fiftieth of
    a frame each. A larger value costs that much memory in every worker.

    `reduced` lets JPEGs be decoded at 1/2, 1/4 or 1/8 of their size where every crop of the frame
    stays smaller than that. Neither it nor a crop depends on what is kept, so a sample is the same
    with any cache and number of workers.
    """

    def __init__(self, pool: VideoPool, cache_mb: float, reduced: bool = False):
        self.pool = pool
        self.reduced = reduced
        cache_bytes = cache_mb * BYTES_PER_MB
        self._frames: ByteCache[ReducedImage] = ByteCache(int(FRAMES_SHARE * cache_bytes))
        self._templates: ByteCache[Crop] = ByteCache(int((1 - FRAMES_SHARE) * cache_bytes))

    def read(self, path: int, frame_id: int) -> np.ndarray:
        """Frame `(H, W, 3)` uint8 RGB of the path's video."""
        return self._read(path, frame_id, 1, False).image

    def crops(
        self,
        path: int,
        wanted: Sequence[tuple[int, cropping.CropWindow]],
        key_ids: np.ndarray,
        templates: Sequence[int] = (),
    ) -> list[Crop]:
        """Cut the windows `(frame_id, window)` out of the path's video; each frame is decoded at
        most once.

        Frames among `key_ids` are labelled; the crops numbered in `templates` are likely to be
        wanted again if they are.
        """
        sources = {
            frame_id: self._source(path, frame_id, [w for other, w in wanted if other == frame_id])
            for frame_id, _ in wanted
        }
        labelled = set(key_ids.tolist()) & set(sources)
        cut: dict[Hashable, Crop] = {}
        frames: dict[int, tuple[ReducedImage, np.ndarray]] = {}  # with the mean colour
        found = []
        for number, (frame_id, window) in enumerate(wanted):
            place = (*sources[frame_id], window)
            crop = cut.get(place) or self._templates.get(place)
            if crop is None:
                if frame_id not in frames:
                    frame = self._read(path, frame_id, sources[frame_id][-1], frame_id in labelled)
                    frames[frame_id] = frame, cropping.mean_color(frame.image)
                crop = _crop(*frames[frame_id], window)
                if number in templates and frame_id in labelled:
                    self._templates.put(place, crop, crop.image.nbytes, True)
            cut[place] = crop
            found.append(crop)
        return found

    def _source(
        self, path: int, frame_id: int, windows: Sequence[cropping.CropWindow]
    ) -> tuple[int, int, int, int]:
        """Return what decides a decoded frame: data set, sequence, frame, and what it may be
        reduced by for these windows.
        """
        dataset, seq_id = self.pool.locate(path)
        factor = 1
        if (
            self.reduced
            and isinstance(dataset, FileVideoDataset)
            and dataset.image_loader is default_image_loader
        ):
            factor = reduction(windows)  # other data sets may draw into their frames
        return id(dataset), seq_id, frame_id, factor

    def _read(self, path: int, frame_id: int, factor: int, labelled: bool) -> ReducedImage:
        dataset, seq_id = self.pool.locate(path)
        place = (
            id(dataset),
            seq_id,
            frame_id,
            factor,
        )  # not the path: the targets of a video share its frames
        frame = self._frames.get(place)
        if frame is None:
            frame = read_reduced(lambda: dataset.get_frame(seq_id, frame_id), factor)
            self._frames.put(place, frame, frame.image.nbytes, labelled)
        return frame


def reduction(windows: Sequence[cropping.CropWindow]) -> int:
    """The largest factor of 8, 4, 2 and 1 by which a frame may be reduced so that no window has to
    be enlarged.
    """
    least = min(window.side / window.out_size for window in windows)
    return next((factor for factor in FACTORS if factor <= least), 1)


def _crop(frame: ReducedImage, fill: np.ndarray, window: cropping.CropWindow) -> Crop:
    size = frame.width, frame.height
    image = (
        cropping.cut(frame.image, window, fill)
        if frame.factor == 1
        else cropping.cut_reduced(frame.image, frame.factor, size, window, fill)
    )
    return Crop(image, fill.astype(np.float32), window, size)
