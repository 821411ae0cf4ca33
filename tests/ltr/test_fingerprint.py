"""What a fingerprint of a video sees: every change of its files, and nothing else."""

import os

import pytest

from ltr.frames.fingerprint import WHOLE_BYTES, Fingerprints, changed_videos, fingerprint_of


@pytest.fixture
def files(tmp_path):
    """Three images of a video, and a large file."""
    paths = [tmp_path / f"{number:08d}.jpg" for number in (1, 2, 3)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    large = tmp_path / "large.mp4"
    large.write_bytes(os.urandom(4 * WHOLE_BYTES))
    return [*paths, large]


def rewrite_same(files):
    files[0].write_bytes(files[0].read_bytes())


def touch(files):
    os.utime(files[1], (1, 1))


def change_one_byte(files):
    content = bytearray(files[1].read_bytes())
    content[50] ^= 1
    files[1].write_bytes(content)


def grow(files):
    with open(files[3], "ab") as file:
        file.write(b"x")


def change_the_end_of_a_large_file(files):
    with open(files[3], "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


@pytest.mark.parametrize("memory", [False, True], ids=["first look", "with a memory"])
@pytest.mark.parametrize(
    ("change", "is_seen"),
    [
        (rewrite_same, False),
        (touch, False),
        (change_one_byte, True),
        (grow, True),
        (change_the_end_of_a_large_file, True),
    ],
)
def test_changes_of_content_are_seen_and_new_times_are_not(
    files, tmp_path, memory, change, is_seen
):
    place = tmp_path / "fingerprints.json" if memory else None
    first = Fingerprints(place)
    before = first.of("video", files)
    first.save()
    change(files)
    assert (Fingerprints(place).of("video", files) != before) is is_seen


def test_added_removed_and_renamed_files_are_seen(files):
    whole = fingerprint_of(files)
    renamed = files[0].rename(files[0].with_name("00000009.jpg"))
    others = [fingerprint_of(files[1:]), fingerprint_of([renamed, *files[1:]])]
    assert len({whole, *others}) == 3


@pytest.mark.parametrize("content", ["", "[1", "[]", '{"video": 3}', '{"video": [1]}'])
def test_a_damaged_memory_costs_looking_again(files, tmp_path, content):
    place = tmp_path / "fingerprints.json"
    place.write_text(content)
    assert Fingerprints(place).of("video", files) == fingerprint_of(files)


def test_only_videos_that_were_there_before_count_as_changed():
    before = {"same": "1-a", "changed": "1-b"}
    now = {"same": "1-a", "changed": "1-c", "new": "1-d"}
    assert changed_videos(before, now) == ["changed"]
