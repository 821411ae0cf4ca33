"""What is written in a format comes back from it: all that docs/formats.md says it holds, for any
boxes.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_ext.boxes.formats import FORMATS, VideoInfo, guess, read, write
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

TO_A_MILLIONTH = (
    "cvat",
    "labelstudio",
    "mot",
    "yolo",
)  # formats that store coordinates as other numbers
LENGTH = 12  # frames of a video that says how many it has


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    """Hundreds of small exports; that files are flushed is held elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("os.sync", lambda: None)
        yield


names = st.text(st.sampled_from("abcXYZ019 _-.,;'\"&<>#=?!é雪"), min_size=1, max_size=8).filter(
    lambda text: text == text.strip() and not text.startswith(".") and not text.endswith(".")
)
SMALLEST_SIDE = 1000  # px of a video; every box shows in part in it


@st.composite
def intervals(draw):
    """Start and extent of a box along one side, which the frame shows in part."""
    extent = round(draw(st.floats(0.01, 900)), 6)
    start = round(draw(st.floats(-500, SMALLEST_SIDE - 1)), 6)
    return max(start, round(0.01 - extent, 6)), extent


some_boxes = st.tuples(intervals(), intervals()).map(
    lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
)


@st.composite
def objects(draw, object_id):
    frames = draw(st.lists(st.integers(0, LENGTH - 1), unique=True, max_size=LENGTH).map(sorted))
    rows = [draw(st.none() | some_boxes) or (np.nan,) * 4 for _ in frames]
    confidences = [draw(st.just(1.0) | st.floats(0, 1)) for _ in frames]
    human = [draw(st.booleans()) for _ in frames]
    return ObjectTrack(
        object_id,
        np.array(frames, np.int64),
        np.array(rows, float).reshape(-1, 4),
        np.array(confidences, float),
        np.array(human, bool),
        draw(st.just("") | names),
    )


@st.composite
def some_videos(draw):
    """Up to three videos of up to three objects, sparse or dense, with sizes and so on known or
    not; all have a size.
    """
    found = []
    for name in draw(st.lists(names, unique_by=str.lower, min_size=1, max_size=3)):
        ids = draw(st.lists(names | st.integers(1, 30).map(str), unique_by=str.lower, max_size=3))
        found.append(
            VideoBoxes(
                name,
                tuple(draw(objects(object_id)) for object_id in ids),
                draw(st.none() | st.just(LENGTH)),
                (draw(st.integers(SMALLEST_SIDE, 4000)), draw(st.integers(SMALLEST_SIDE, 4000))),
                draw(st.sampled_from([None, 30.0, 29.97])),
            )
        )
    return found


def each_object(videos, change):
    """`videos` with `change(video, object)` in place of each object; None removes it."""
    return [
        dataclasses.replace(
            video,
            objects=tuple(
                new for item in video.objects if (new := change(video, item)) is not None
            ),
        )
        for video in videos
    ]


def rows(item, keep, **changes):
    return dataclasses.replace(
        item,
        frame_ids=item.frame_ids[keep],
        boxes_xywh=item.boxes_xywh[keep],
        confidences=item.confidences[keep],
        human=item.human[keep],
        **changes,
    )


def present(item, **changes):
    kept = rows(item, ~item.absent, **changes)
    return kept if len(kept.frame_ids) else None


def drawn_if_sure(item):
    return dataclasses.replace(item, human=item.confidences == 1)


def numbered(video, item):
    """Ids as text of numbers only: theirs where all are numbers, else their places."""
    ids = [other.object_id for other in video.objects]
    own = all(name.isascii() and name.isdigit() and name[0] != "0" for name in ids)
    return item.object_id if own else str(ids.index(item.object_id) + 1)


def without(videos, **fields):
    return [dataclasses.replace(video, **fields) for video in videos]


def held_by_csv(videos):
    kept = each_object(videos, lambda video, item: item if len(item.frame_ids) else None)
    return without(
        [video for video in kept if video.objects], frame_count=None, size=None, fps=None
    )


def held_by_cvat(videos):
    return without(
        each_object(videos, lambda video, item: item if len(item.frame_ids) else None), fps=None
    )


def held_by_keyframes(videos):
    kept = [
        video for video in each_object(videos, lambda video, item: present(item)) if video.objects
    ]
    kept = without(kept, frame_count=None, size=None, fps=None)
    return each_object(
        kept,
        lambda video, item: ObjectTrack.drawn(
            str(video.objects.index(item) + 1), item.frame_ids, item.boxes_xywh
        ),
    )


def held_by_mot(videos):
    kept = each_object(videos, lambda video, item: present(item, object_id=numbered(video, item)))
    # The benchmark does not consider boxes of confidence 0, so that a millionth is written.
    kept = each_object(
        kept,
        lambda video, item: dataclasses.replace(item, confidences=item.confidences.clip(1e-6)),
    )
    return each_object(kept, lambda video, item: drawn_if_sure(item))


def held_by_folders(videos):
    kept = []
    for video in videos:
        last = max(
            (item.frame_ids[-1] for item in video.objects if len(item.frame_ids)), default=-1
        )
        count = video.frame_count or int(last + 1)
        # One line is the box of the first frame, as in test sets; it tells no length.
        length = count if count > 1 else None
        if video.objects:
            kept.append(dataclasses.replace(video, frame_count=length))
    return kept


def held_by_yolo(videos):
    kept = []
    for video in videos:
        absent = [set(item.frame_ids[item.absent].tolist()) for item in video.objects]
        nowhere = set.intersection(*absent) if absent else set()
        held = []
        for item in video.objects:
            keep = ~item.absent | np.isin(item.frame_ids, list(nowhere))
            confidences = np.where(item.absent, 1.0, item.confidences)
            new = rows(
                dataclasses.replace(item, confidences=confidences, human=confidences == 1),
                keep,
                object_id=numbered(video, item),
                label=item.label or "object",
            )
            if (~new.absent).any():
                held.append(new)
        if not held and nowhere:  # all that is left is empty files, which tell no objects apart
            frames = sorted(nowhere)
            held = [ObjectTrack.drawn("1", frames, np.full((len(frames), 4), np.nan))]
        if held:
            kept.append(dataclasses.replace(video, objects=tuple(held), fps=None))
    return kept


HELD = {
    "csv": held_by_csv,
    "coco": list,
    "labelstudio": list,
    "cvat": held_by_cvat,
    "keyframes": held_by_keyframes,
    "mot": held_by_mot,
    "got10k": held_by_folders,
    "lasot": held_by_folders,
    "yolo": held_by_yolo,
}
SUFFIX = {
    "csv": ".csv",
    "coco": ".json",
    "labelstudio": ".json",
    "cvat": ".xml",
    "keyframes": ".json",
}


def in_order(videos):
    """Folders of files have an order of their own."""
    return sorted(
        (
            dataclasses.replace(
                video, objects=tuple(sorted(video.objects, key=lambda item: item.object_id))
            )
            for video in videos
        ),
        key=lambda video: video.video,
    )


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(videos=some_videos())
def test_what_was_written_comes_back(name, videos, tmp_path_factory):
    path = tmp_path_factory.mktemp(name) / f"boxes{SUFFIX.get(name, '')}"
    files = write(videos, path, name)
    assert all(file.is_file() for file in files)
    known = (
        {video.video: VideoInfo(video.frame_count, video.size) for video in videos}
        if name == "yolo"
        else None
    )
    held = HELD[name](videos)
    if not held and path.is_dir():
        return  # an export of nothing is no folder of sequences
    came_back = read(path, name, known)
    assert in_order(came_back) == in_order(held)
    if not path.is_dir() and name != "keyframes":  # whose videos are sorted
        assert came_back == held


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.floats(-1e4, 1e4)] * 2, *[st.floats(1e-3, 1e4)] * 2).map(
            # The frame shows a part of each.
            lambda box: tuple(
                -box[i] if i < 2 and box[i] + box[i + 2] <= 0 else box[i] for i in range(4)
            )
        ),
        min_size=1,
        max_size=4,
    )
)
def test_coordinates_of_any_precision(name, values, tmp_path_factory):
    """To the last bit, or to a millionth of a pixel."""
    video = VideoBoxes(
        "walk", (ObjectTrack.drawn("1", range(len(values)), values),), len(values), (10001, 10002)
    )
    path = tmp_path_factory.mktemp(name) / f"boxes{SUFFIX.get(name, '')}"
    write([video], path, name)
    boxes = read(path, name, {"walk": video})[0].objects[0].boxes_xywh
    if name in TO_A_MILLIONTH:
        np.testing.assert_allclose(boxes, values, rtol=0, atol=5.1e-7)
    else:
        np.testing.assert_array_equal(boxes, values)


@pytest.fixture
def walk():
    """A dense object with an absence, and a sparse one that a person drew."""
    frames = np.arange(10)
    boxes = np.stack([3.25 * frames, 0.5 * frames, np.full(10, 20.0), np.full(10, 30.0)], axis=1)
    boxes[4:6] = np.nan
    human = np.isin(frames, [0, 9])
    dense = ObjectTrack("1", frames, boxes, np.where(human, 1, 0.75), human, "dog")
    sparse = ObjectTrack.drawn("2", [0, 5], [[1, 2, 3, 4], [5, 6, 7, 8]], "ball")
    return VideoBoxes("walk", (dense, sparse), 10, (320, 240), 25.0)


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_recognised(name, walk, tmp_path):
    path = tmp_path / f"boxes{SUFFIX.get(name, '')}"
    write([walk], path, name)
    assert guess(path) == name


@pytest.mark.parametrize("name", ["csv", "coco", "labelstudio", "keyframes"])
def test_a_folder_gets_the_file_under_its_usual_name(name, walk, tmp_path):
    (file,) = write([walk], tmp_path, name)
    assert file.parent == tmp_path and guess(file) == name


def test_cvat_folder_has_a_file_for_each_video(walk, tmp_path):
    other = dataclasses.replace(walk, video="run")
    assert [file.name for file in write([walk, other], tmp_path / "tasks", "cvat")] == [
        "walk.xml",
        "run.xml",
    ]
    assert read(tmp_path / "tasks") == without([other, walk], fps=None)


def test_mot_file_of_one_video(walk, tmp_path):
    write([walk], tmp_path / "walk.txt", "mot")
    (video,) = read(tmp_path / "walk.txt")
    assert video.video == "walk" and [item.object_id for item in video.objects] == ["1", "2"]


def test_images_give_names_and_frames(walk, tmp_path):
    """Of a video whose images do not count from 1, COCO and YOLO name the files as they are, and
    find them again.
    """
    info = {
        "walk": VideoInfo(
            10, (320, 240), 25.0, tuple(f"shot{number:03d}.png" for number in range(100, 120, 2))
        )
    }
    files = write([walk], tmp_path / "yolo", "yolo", info)
    assert {"shot100.txt", "shot118.txt"} <= {file.name for file in files}
    np.testing.assert_array_equal(
        read(tmp_path / "yolo", videos=info)[0].objects[1].frame_ids, [0, 5]
    )
    (file,) = write([walk], tmp_path / "coco.json", "coco", info)
    assert '"walk/shot110.png"' in file.read_text()
