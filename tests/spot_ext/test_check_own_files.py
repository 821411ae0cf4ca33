"""`check` on what people have: packed videos, odd names, wrong folders, turned pictures."""

import tarfile

import numpy as np
import pytest
from PIL import Image

import spot_ext.rendering.photographed  # noqa: F401  registers its data set
from ltr.frames.names import VIDEO_SUFFIXES
from spot_ext import __main__ as command
from spot_ext.check import check_dataset, sequences
from spot_ext.check.images import image_size
from spot_ext.check.sources import dataset_names

av = pytest.importorskip("av", reason="PyAV writes the videos of these tests; install `av`")

FRAMES = 6
CODEC = {".webm": "libvpx-vp9", ".wmv": "wmv2", ".mpg": "mpeg2video"}


def write_video(path, count=FRAMES):
    """Write `count` grey pictures of 64x48 in the container that the suffix names."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODEC.get(path.suffix.lower(), "mpeg4"), rate=25)
        stream.width = 64
        stream.height = 48
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
        for number in range(count):
            grey = np.full((48, 64, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(stream.encode())


def write_images(folder, count=FRAMES, name="{:08d}.jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / name.format(number + 1), "JPEG")


def pack(root, archive):
    write_images(root / "images")
    with tarfile.open(root / archive, "w") as tar:
        tar.add(root / "images", "walk")
    for image in (root / "images").iterdir():
        image.unlink()
    (root / "images").rmdir()


SOUND = {
    **{
        f"a video {suffix}": lambda root, suffix=suffix: write_video(root / f"walk{suffix}")
        for suffix in (".mp4", ".MP4", ".MOV", ".mkv", ".avi", ".webm", ".ts", ".wmv", ".mpg")
    },
    "an archive": lambda root: pack(root, "walk.tar"),
    "an archive in capitals": lambda root: pack(root, "walk.TAR"),
    "images in capitals": lambda root: write_images(root / "walk", name="IMG_{:04d}.JPG"),
    "digits that are no numbers": lambda root: write_images(root / "²", name="²{:04d}.jpg"),
}


@pytest.mark.parametrize("make", SOUND.values(), ids=SOUND)
def test_sound_videos_have_no_problems(make, tmp_path):
    make(tmp_path)
    report = check_dataset("folder", tmp_path)
    assert (report.sequences, report.frames, report.findings) == (1, FRAMES, [])


def damaged(path):
    """Write a video whose last third is cut off, beside its sound copy's place."""
    write_video(path, 60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


UNREADABLE = {
    "an empty file": (lambda path: path.write_bytes(b""), "walk.mkv cannot be opened as a video"),
    "another kind of file": (lambda path: path.write_text("hello"), "cannot be opened as a video"),
    "no pictures": (lambda path: write_video(path, 0), "walk.mkv"),
    "a file that was cut": (damaged, "is truncated"),
}


@pytest.mark.parametrize(("make", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_video_that_cannot_be_read_is_one_problem(make, sentence, tmp_path):
    write_images(tmp_path / "sound")
    make(tmp_path / "walk.mkv")
    report = check_dataset("folder", tmp_path)
    (finding,) = report.problems
    assert (finding.kind, finding.sequence) == (sequences.UNREADABLE, "walk")
    assert sentence in finding.examples[0].detail
    assert report.frames == FRAMES


def test_a_sequence_without_frames_is_a_problem():
    result = sequences.check_sequence(sequences.SequenceFiles("walk", (), {}))
    assert [finding.kind for finding in result.findings] == [sequences.MISSING]


# Data sets of several folders are set up in local.py; the challenge of DAVIS has no public masks.
OTHER_ADVICE = {
    "got10kvos": "takes no folder",
    "got10kvos_val": "got10k_mask_path",
    "lasotvos": "takes no folder",
    "trackingnetvos": "trackingnet_mask_path",
    "renderedvideos": "takes no folder",
    "syntheticvideo": "takes no folder",
    "syntheticvideoblend": "takes no folder",
    "dv2017_test_chal": "choose one of train, val, test-dev",
}


@pytest.mark.parametrize("name", sorted(set(dataset_names()) - set(OTHER_ADVICE)))
def test_a_wrong_folder_is_named_and_no_setting_is(name, tmp_path, capsys):
    """The folder came with the command, so local.py has nothing to do with it."""
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/readme.txt").write_text("nothing here")
    assert command.main(["check", name, str(tmp_path / "wrong")]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("error: ") and sentence.count("\n") == 1
    assert str(tmp_path / "wrong") in sentence
    assert "local.py" not in sentence and "vid_ids" not in sentence


@pytest.mark.parametrize(("name", "advice"), OTHER_ADVICE.items())
def test_where_the_folder_does_not_suffice_the_sentence_says_what_does(
    name, advice, tmp_path, capsys
):
    assert command.main(["check", name, str(tmp_path)]) == 2
    sentence = capsys.readouterr().err
    assert advice in sentence and sentence.count("\n") == 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_turned_pictures_have_the_size_that_is_read(suffix, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    assert image_size(path) == image_size(path, decode=True)


def test_every_video_suffix_is_known_in_capitals(tmp_path):
    for suffix in VIDEO_SUFFIXES:
        (tmp_path / f"walk{suffix[1:]}{suffix.upper()}").write_bytes(b"")
    report = check_dataset("folder", tmp_path)
    assert len(report.problems) == len(VIDEO_SUFFIXES)
