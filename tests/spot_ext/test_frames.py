"""Reading the frames of a sample: each at most once, within a bounded memory, the same crops
whatever is kept or reduced.
"""

import os
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.data.crops import CropWindow, cut
from ltr.io.byte_cache import ByteCache
from ltr.parallel.cores import worker_count
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.data.frames import FrameReader, reduction
from spot_ext.training.data.loader import Draw, SampleSource
from spot_ext.training.data.samples import Crop
from spot_ext.training.data.videos import BURN_IN, SPARSE

CROPS = CropConfig(
    template_size=8, search_size=16
)  # of windows of some 40 and 80 px: reduced by 4 and 2
DRAWS = [
    Draw(*kind, 1, index, 0) for kind in ((BURN_IN, False), (SPARSE, True)) for index in range(20)
]


@pytest.fixture
def read_counts(pool, monkeypatch):
    """How often each frame was read from its data set."""
    counts, dataset = Counter(), pool.sources[0].dataset
    get_frame = dataset.get_frame

    def counted(seq_id, frame_id):
        counts[seq_id, frame_id] += 1
        return get_frame(seq_id, frame_id)

    monkeypatch.setattr(dataset, "get_frame", counted)
    return counts


def crops_of(sample) -> list[Crop]:
    return [value for value in vars(sample).values() if isinstance(value, Crop)]


@pytest.mark.parametrize("decode", ["full", "reduced"])
def test_a_frame_is_decoded_at_most_once_for_a_sample(pool, read_counts, decode):
    source = SampleSource(pool, CropConfig(8, 2.0, 16, 4.0, decode=decode), 0, cache_mb=0)
    shared = 0
    for draw in DRAWS:
        read_counts.clear()
        source[draw]
        assert max(read_counts.values()) == 1
        shared += len(read_counts) < (3 if draw.unlabelled else 2)
    assert (
        shared
    )  # of some samples template and search region, or key and relay frame, are the same frame


@pytest.mark.parametrize("decode", ["full", "reduced"])
def test_samples_do_not_depend_on_what_is_kept(pool, decode):
    config = CropConfig(8, 2.0, 16, 4.0, decode=decode)
    without, with_cache = (
        SampleSource(pool, config, 0, cache_mb=megabytes) for megabytes in (0, 1)
    )
    for draw in DRAWS * 2:  # the second time out of the cache
        for one, other in zip(crops_of(without[draw]), crops_of(with_cache[draw]), strict=True):
            assert np.array_equal(one.image, other.image) and np.array_equal(one.fill, other.fill)
            assert (one.window, one.frame_size) == (
                other.window,
                other.frame_size,
            ) and one.frame_size == (128, 96)


def test_key_frames_and_their_templates_are_read_once_where_there_is_room(pool, read_counts):
    source = SampleSource(pool, CROPS, 0, cache_mb=4)
    for draw in DRAWS * 2:
        source[draw]
    for path in range(pool.num_paths):
        assert all(
            read_counts[path, int(frame_id)] <= 1 for frame_id in pool.store(0).track(path).key_ids
        )
    assert source.frames._frames.used <= 3 * 2**20 and source.frames._templates.used > 0


def test_equal_windows_of_other_frames_are_other_crops(pool):
    """A target that stands still has the same window in every frame, and a static camera's videos
    share it, too.
    """
    reader, window = FrameReader(pool, 4), CropWindow(60, 50, 64, 16)
    for path in (0, 1):
        ids = pool.store(0).track(path).key_ids
        for _ in range(2):
            found = reader.crops(
                path,
                [(frame_id, window) for frame_id in ids.tolist()],
                ids,
                templates=range(len(ids)),
            )
            for frame_id, crop in zip(ids.tolist(), found, strict=True):
                assert np.array_equal(crop.image, cut(reader.read(path, frame_id), window))


def test_reduced_samples_show_the_same_at_the_same_place(pool):
    full, reduced = (
        SampleSource(pool, CropConfig(8, 2.0, 16, 4.0, decode=decode), 0)
        for decode in ("full", "reduced")
    )
    changed = 0
    for draw in DRAWS:
        for one, other in zip(crops_of(full[draw]), crops_of(reduced[draw]), strict=True):
            assert one.window == other.window and one.frame_size == other.frame_size
            assert np.abs(one.fill - other.fill).max() < 2
            blurred = [cv2.GaussianBlur(crop.image, (0, 0), 3).astype(int) for crop in (one, other)]
            assert np.abs(blurred[0] - blurred[1]).mean() < 12
            changed += not np.array_equal(one.image, other.image)
    assert changed > len(DRAWS)


def test_frames_that_a_data_set_draws_into_are_not_reduced(pool):
    """A loader of one's own may change pixels where it expects them."""
    pool.sources[0].dataset.image_loader = lambda path: cv2.imread(str(path))[..., ::-1].copy()
    reader = FrameReader(pool, 0, reduced=True)
    window = CropWindow(60, 50, 64, 8)
    assert reader._source(0, 0, [window])[-1] == 1


@pytest.mark.parametrize(
    ("sides", "factor"),
    [
        ([(100, 64)], 1),
        ([(127, 64)], 1),
        ([(128, 64)], 2),
        ([(255, 64)], 2),
        ([(256, 64)], 4),
        ([(512, 64)], 8),
        ([(5000, 64)], 8),
        ([(512, 64), (140, 64)], 2),
        ([(40, 64)], 1),
    ],
    ids=str,
)
def test_a_frame_is_reduced_as_far_as_all_its_crops_allow(sides, factor):
    assert reduction([CropWindow(0, 0, *side) for side in sides]) == factor


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 400), st.booleans()), max_size=40))
def test_what_is_kept_stays_within_its_limit(puts):
    kept, sizes = ByteCache(1000), {}
    for key, size, preferred in puts:
        if kept.get(key) is None:
            sizes[key] = size, preferred
            kept.put(key, key + 100, size, preferred)
        assert kept.used == sum(sizes[key][0] for key in sizes if kept.get(key) is not None) <= 1000
    missing = [key for key, (_, preferred) in sizes.items() if preferred and kept.get(key) is None]
    if missing:  # then preferred ones alone overflowed: no other was kept in their place
        assert (
            not kept._others or sum(size for size, preferred in sizes.values() if preferred) > 1000
        )


@pytest.mark.parametrize(
    ("wanted", "cores", "processes", "count"),
    [
        (None, 8, None, 7),
        (None, 1, None, 0),
        (None, 64, None, 16),
        (None, 16, "4", 3),
        (None, 2, "4", 0),
        (5, 2, None, 5),
        (0, 8, None, 0),
        (1000, 2, None, 32),
    ],
)
def test_workers_fill_the_cores_unless_told(monkeypatch, wanted, cores, processes, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if processes:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert worker_count(wanted) == count


def test_an_unknown_decoding_is_refused():
    with pytest.raises(BadValue, match="did you mean 'reduced'"):
        CropConfig(decode="reduce")
