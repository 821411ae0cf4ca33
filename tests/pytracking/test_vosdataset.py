"""pytracking.evaluation.vosdataset: segmentation sequences that a tracker can be run on."""

import numpy as np
import pytest

from ltr.data.image_loader import imwrite_indexed
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.vosdataset import Davis


@pytest.fixture
def davis_root(tmp_path, monkeypatch):
    """One video of two frames whose object 2 starts on the second; pytracking's local.py names its
    folder.
    """
    root = tmp_path / "DAVIS"
    for number in range(2):
        mask = np.zeros((20, 30), np.uint8)
        mask[2:8, 3:9] = 1
        mask[10:15, 10:20] = 2 * number
        for folder in ("JPEGImages", "Annotations"):
            (root / folder / "480p" / "dogs").mkdir(parents=True, exist_ok=True)
        imwrite_indexed(root / f"Annotations/480p/dogs/{number:05d}.png", mask)
        (root / f"JPEGImages/480p/dogs/{number:05d}.jpg").write_bytes(b"not read")
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("dogs\n")
    (tmp_path / "local.py").write_text(
        "from pytracking.evaluation.environment import EnvSettings\n\n\n"
        "def local_env_settings():\n    settings = EnvSettings()\n"
        f"    settings.davis_dir = {str(root)!r}\n    return settings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent.py"))
    return root


def test_sequences_tell_a_tracker_what_starts_when(davis_root):
    sequences = Davis(version="2017", split="val").get_sequence_list()
    assert isinstance(sequences, SequenceList) and isinstance(sequences["dogs"], Sequence)
    dogs = sequences["dogs"]
    assert (dogs.dataset, dogs.object_ids, len(dogs.frames)) == ("DAVIS", ["1", "2"], 2)
    first, second = dogs.frame_info(0), dogs.frame_info(1)
    assert first["init_object_ids"] == ["1"] and first["init_bbox"] == {"1": [3, 2, 6, 6]}
    assert second["init_object_ids"] == ["2"] and second["init_mask"][12, 12] == 2


def test_one_object_at_a_time_starts_where_it_appears(davis_root):
    sequences = Davis(split="val", multiobj=False).get_sequence_list()
    assert [sequence.name for sequence in sequences] == ["dogs_1", "dogs_2"]
    late = sequences["dogs_2"].init_info()
    assert (
        len(sequences["dogs_2"].frames) == 1
        and late["init_bbox"] == [10, 10, 10, 5]
        and late["init_mask"].max() == 1
    )
