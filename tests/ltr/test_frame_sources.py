"""Frames by number out of archives, video files and folders."""

import io
import multiprocessing
import os
import pickle
import random
import shutil
import struct
import tarfile

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.data.image_loader import default_image_loader
from ltr.dataset import Got10k, Lasot, TrackingNet, VideoFolder
from ltr.frames import shared
from ltr.frames.names import images_in
from ltr.frames.opening import open_source
from ltr.frames.shared import shared_source

FRAMES, SIZE = 40, (48, 64)


def picture(number: int) -> np.ndarray:
    """A picture that differs from its neighbours; RGB."""
    image = np.full((*SIZE, 3), 5 * number % 200, np.uint8)
    image[:, number % SIZE[1]] = (255, 0, 40)
    return image


def write_tar(path, names, mode="w"):
    with tarfile.open(path, mode) as archive:
        for number, name in enumerate(names):
            data = cv2.imencode(".png", picture(number)[..., ::-1])[1].tobytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def write_video(path, codec, **options):
    av = pytest.importorskip("av", reason="video files need the extra 'video'")
    with av.open(str(path), "w") as container:
        try:
            stream = container.add_stream(
                codec, rate=25, options={key: str(value) for key, value in options.items()}
            )
        except ValueError:
            pytest.skip(f"this PyAV cannot write {codec}")
        stream.height, stream.width = SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", 8
        for number in range(FRAMES):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24"))
            )
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


VIDEOS = {
    "h264": ("a.mp4", "libx264", {}),
    "h264 open groups": ("a.mkv", "libx264", {"x264-params": "open-gop=1:bframes=3"}),
    "mpeg4 avi": ("a.avi", "mpeg4", {"bf": 2}),
    "vp9": ("a.webm", "libvpx-vp9", {}),
}


@pytest.mark.parametrize(("name", "codec", "options"), VIDEOS.values(), ids=VIDEOS)
def test_a_video_frame_is_the_one_of_decoding_from_the_start(tmp_path, name, codec, options):
    expected = write_video(tmp_path / name, codec, **options)
    source = open_source(tmp_path / name)
    assert len(source) == len(expected) == FRAMES
    order = [
        *range(FRAMES),
        *reversed(range(FRAMES)),
        *random.Random(0).choices(range(FRAMES), k=60),
    ]
    assert [i for i in order if not np.array_equal(source.read(i), expected[i])] == []
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(copy.read(17), expected[17])
    source.read(3)[:] = 0
    assert np.array_equal(source.read(3), expected[3])  # the caller's copy is its own


@pytest.mark.parametrize(
    "turn", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)], ids=["90", "180", "270"]
)
def test_pictures_stand_upright_as_opencv_shows_them(tmp_path, turn):
    """Phones write how they were held into the file: here the matrix in the track's header."""
    write_video(tmp_path / "a.mp4", "libx264")
    content, one = (tmp_path / "a.mp4").read_bytes(), 1 << 16
    place = content.index(
        struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30), content.index(b"tkhd")
    )
    a, b, c, d = (one * value for value in turn)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(content[:place] + matrix + content[place + 36 :])
    expected = cv2.VideoCapture(str(tmp_path / "a.mp4")).read()[1][..., ::-1]
    found = open_source(tmp_path / "a.mp4").read(0)
    assert found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= 3


def test_archive_frames_are_ordered_by_number_and_read_anywhere(tmp_path):
    write_tar(tmp_path / "a.tar", [f"dir/frame{i}.png" for i in range(12)] + ["dir/notes.txt"])
    source = open_source(tmp_path / "a.tar")
    assert len(source) == 12
    for i in (11, 2, 10, 0):
        assert np.array_equal(source.read(i), picture(i))


def test_jpegs_decode_to_the_same_pixels_in_an_archive(tmp_path, trees):
    trees.write_images(tmp_path / "v", ["1.jpg"])
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "v" / "1.jpg", "1.jpg")
    assert np.array_equal(
        open_source(tmp_path / "a.tar").read(0), default_image_loader(tmp_path / "v" / "1.jpg")
    )


def damaged_video(folder):
    (folder / "a.mp4").write_bytes(b"no video" * 50)
    return folder / "a.mp4"


@pytest.mark.parametrize("layout", ["{}", "frames/{}"], ids=["beside", "one folder above"])
def test_one_shard_holds_many_sequences(tmp_path, layout):
    names = [f"{layout.format(video)}/{i}.png" for video in ("a", "b") for i in range(12)]
    write_tar(tmp_path / "shard-000.tar", names[:12])
    write_tar(tmp_path / "shard-001.tar", names[12:])
    for video in ("a", "b"):
        source = open_source(tmp_path / layout.format(video))
        assert len(source) == 12 and np.array_equal(source.read(10), picture(10))
        assert np.array_equal(pickle.loads(pickle.dumps(source)).read(3), picture(3))
    with pytest.raises(MissingFile, match="c holds neither"):
        open_source(tmp_path / layout.format("c"))


def cut_archive(folder):
    write_tar(folder / "a.tar", ["0.png", "1.png"])
    os.truncate(folder / "a.tar", 560)
    return folder / "a.tar"


def compressed_archive(folder):
    write_tar(folder / "a.tar", ["0.png"], "w:gz")
    return folder / "a.tar"


def small_archive(folder):
    write_tar(folder / "a.tar", ["0.png"])
    return folder / "a.tar"


BAD = {
    "no video": (damaged_video, BadValue, "a.mp4 cannot be opened as a video"),
    "cut archive": (cut_archive, BadInput, "a.tar"),
    "compressed": (compressed_archive, BadValue, "uncompressed"),
    "no such frame": (small_archive, MissingFile, "a.tar has no frame 7, it has 1"),
    "empty folder": (
        lambda folder: folder,
        MissingFile,
        "neither images nor frames.tar nor video.mp4",
    ),
}


@pytest.mark.parametrize(("make", "error", "text"), BAD.values(), ids=BAD)
def test_bad_files_name_themselves(tmp_path, make, error, text):
    if make is damaged_video:
        pytest.importorskip("av", reason="video files need the extra 'video'")
    with pytest.raises(error, match=text):
        open_source(make(tmp_path)).read(7)


def test_without_pyav_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(BadInput, match="needs the package av: pip install av"):
        open_source(damaged_video(tmp_path)).read(0)


def pack(folder, place):
    """Move the images of `folder` into an archive at `place`."""
    images = images_in(folder)
    place.parent.mkdir(exist_ok=True)
    with tarfile.open(place, "w") as archive:
        for image in images:
            archive.add(image, image.name)
            image.unlink()


LAYOUTS = {
    "got10k, inside": (
        "got10k_root",
        Got10k,
        {},
        "GOT-10k_Train_000001",
        "GOT-10k_Train_000001/frames.tar",
    ),
    "got10k, beside": (
        "got10k_root",
        Got10k,
        {},
        "GOT-10k_Train_000001",
        "GOT-10k_Train_000001.tar",
    ),
    "lasot, for img": (
        "lasot_root",
        Lasot,
        {"vid_ids": [1]},
        "airplane/airplane-1/img",
        "airplane/airplane-1/frames.tar",
    ),
    "trackingnet": (
        "trackingnet_root",
        TrackingNet,
        {},
        "TRAIN_0/frames/a",
        "TRAIN_0/frames/a.tar",
    ),
    "folder": (
        "got10k_root",
        VideoFolder,
        {},
        "GOT-10k_Train_000001",
        "GOT-10k_Train_000001/frames.tar",
    ),
}


@pytest.mark.parametrize(
    ("root", "dataset", "options", "folder", "place"), LAYOUTS.values(), ids=LAYOUTS
)
def test_a_sequence_may_be_packed(request, root, dataset, options, folder, place):
    root = request.getfixturevalue(root)
    plain = dataset(root, **options)
    frames = [plain.get_frame(0, i) for i in (4, 0, 11)]
    pack(root / folder, root / place)
    packed = dataset(root, **options)
    assert packed.sequence_list == plain.sequence_list and packed.get_sequence_length(
        0
    ) == plain.get_sequence_length(0)
    assert all(
        np.array_equal(a, packed.get_frame(0, i)) for a, i in zip(frames, (4, 0, 11), strict=True)
    )
    assert packed.get_frames(1, [3])[0][0].shape == (48, 64, 3)  # the others stay as they are
    with pytest.raises(MissingFile, match="no frame 99"):
        packed.get_frame(0, 99)


def test_folder_of_video_files(tmp_path, no_local_py):
    expected = write_video(tmp_path / "cat.mp4", "libx264")
    (tmp_path / "cat.txt").write_text("0,1,2,3,4\n9,5,6,7,8\n")
    data = VideoFolder(tmp_path)
    assert data.sequence_list == ["cat"] and data.get_sequence_length(0) == FRAMES
    assert np.array_equal(data.get_frame(0, 9), expected[9]) and data.get_visible(0).nonzero()[
        0
    ].tolist() == [0, 9]


def read_in_child(place, connection):
    connection.send(shared.open_count())
    connection.send([int(shared_source(place).read(i)[0, 0, 0]) for i in range(FRAMES)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_open_files_of_their_own(tmp_path, method):
    expected = write_video(tmp_path / "a.mp4", "libx264")
    place = tmp_path / "a.mp4"
    assert np.array_equal(
        shared_source(place).read(20), expected[20]
    )  # the parent's decoder is in the middle of the file
    here, there = multiprocessing.get_context(method).Pipe()
    worker = multiprocessing.get_context(method).Process(target=read_in_child, args=(place, there))
    worker.start()
    assert here.poll(60)
    assert here.recv() == 0  # nothing inherited
    values = here.recv()
    worker.join()
    assert values == [int(frame[0, 0, 0]) for frame in expected]
    assert np.array_equal(shared_source(place).read(21), expected[21])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files through /proc")
def test_few_files_stay_open(tmp_path):
    write_tar(tmp_path / "0.tar", ["0.png"])
    for number in range(1, 50):
        shutil.copy(tmp_path / "0.tar", tmp_path / f"{number}.tar")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(50):
        shared_source(tmp_path / f"{number}.tar").read(0)
    assert len(os.listdir("/proc/self/fd")) - before <= shared.OPEN_SOURCES
