"""ltr.dataset and the samplers that draw from it."""

import logging
import random

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured
from ltr.data import LTRLoader
from ltr.data import transforms as tfm
from ltr.data.processing import TransTProcessing
from ltr.data.sampler import TrackingSampler, TransTSampler
from ltr.dataset import Got10k, Lasot, TrackingNet, VideoFolder
from ltr.dataset.annotations import count_rows, read_boxes, read_flags
from ltr.dataset.base_video_dataset import BaseVideoDataset


def configure(local_py, **settings):
    local_py.write_text(
        "class EnvironmentSettings:\n    def __init__(self):\n        self.workspace_dir = ''\n"
        + "".join(f"        self.{name} = {value!r}\n" for name, value in settings.items())
    )


# Annotation files


@pytest.mark.parametrize("separator", [",", "\t", " ", ", "])
def test_boxes_with_any_separator(tmp_path, trees, separator):
    (tmp_path / "a.txt").write_text(trees.box_lines(5, separator) + "\n\n")
    boxes = read_boxes(tmp_path / "a.txt")
    assert (
        boxes.dtype == np.float32
        and boxes.shape == (5, 4)
        and boxes[3].tolist() == [13, 12, 20, 16]
    )
    assert np.array_equal(read_boxes(tmp_path / "a.txt", [3, 1, 3]), boxes[[3, 1, 3]])
    assert count_rows(tmp_path / "a.txt") == 5


def test_chosen_rows_are_read_whatever_the_others_hold(tmp_path, trees):
    lines = trees.box_lines(6).splitlines()
    lines[1], lines[2], lines[4] = "poison", "", "1,2,3"
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert read_boxes(tmp_path / "a.txt", [0, 3])[:, 0].tolist() == [10, 13]
    with pytest.raises(BadValue, match=r"a.txt line 2: .*'poison'"):
        read_boxes(tmp_path / "a.txt")
    with pytest.raises(BadValue, match="line 3"):
        read_boxes(tmp_path / "a.txt", [2])
    with pytest.raises(BadValue, match="no box for frame 6"):
        read_boxes(tmp_path / "a.txt", [6])


@pytest.mark.parametrize("text", ["1e999", "nan", "-inf", "99999999999999999999", "seen"])
def test_flags_that_are_no_whole_numbers_are_refused_with_their_line(tmp_path, text):
    (tmp_path / "a.txt").write_text(f"0\n1,{text}\n")
    with pytest.raises(BadValue, match=r"a\.txt line 2: expected "):
        read_flags(tmp_path / "a.txt")


def test_nan_and_empty_files(tmp_path):
    (tmp_path / "a.txt").write_text("NaN,NaN,nan,nan\n1,2,3,4\n")
    assert np.isnan(read_boxes(tmp_path / "a.txt")[0]).all()
    (tmp_path / "b.txt").write_text("")
    assert read_boxes(tmp_path / "b.txt").shape == (0, 4) and read_flags(
        tmp_path / "b.txt"
    ).shape == (0,)
    with pytest.raises(MissingFile, match=r"c\.txt"):
        read_boxes(tmp_path / "c.txt")
    (tmp_path / "d.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadValue, match=r"d\.txt"):
        read_boxes(tmp_path / "d.txt")


# Readers


def test_got10k(got10k_root, trees):
    data = Got10k(got10k_root)
    assert data.get_name() == "got10k" and len(data) == 2 and data.is_video_sequence()
    info = data.get_sequence_info(0)
    assert (info["visible"] == 0).nonzero().flatten().tolist() == [5, 6, 7]
    assert (~info["valid"]).nonzero().flatten().tolist() == [7]
    _, anno, _ = data.get_frames(0, [0, 3])
    anno["bbox"][0][:] = 0
    assert data.get_sequence_info(0)["bbox"][0].tolist() == list(
        trees.BOX
    )  # annotations are copies
    assert data.get_class_list() == ["bear"] and data.get_sequences_in_class("bear") == [0, 1]


def test_got10k_meta_is_optional(got10k_root):
    (got10k_root / "GOT-10k_Train_000001" / "meta_info.ini").unlink()
    assert set(Got10k(got10k_root).get_frames(0, [0])[2].values()) == {None}


def test_got10k_splits(got10k_root, local_py, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (got10k_root / "list.txt").write_text("".join(f"S{i}\n" for i in range(20)))
    assert len(Got10k(got10k_root)) == len(Got10k(got10k_root, split="all")) == 20
    assert Got10k(got10k_root, seq_ids=[3, 0]).sequence_list == ["S3", "S0"]
    assert caplog.text == ""
    assert Got10k(got10k_root, split="votval").sequence_list == ["S6", "S13"]
    train = Got10k(got10k_root, split="vottrain")
    assert train.split == "vottrain" and set(train.sequence_list) == {
        f"S{i}" for i in range(20)
    } - {"S6", "S13"}
    assert caplog.text.count("every 7th sequence") == 2
    (tmp_path / "got10k_vot_train_split.txt").write_text("5\n2\n")
    configure(local_py, data_specs_dir=str(tmp_path))
    assert Got10k(got10k_root, split="vottrain").sequence_list == ["S5", "S2"]
    assert "got10k_vot_train_split.txt" in caplog.text
    (tmp_path / "got10k_vot_train_split.txt").write_text("5\n20\n")
    with pytest.raises(BadValue, match="line 2: '20' is no number of one of the 20"):
        Got10k(got10k_root, split="vottrain")


def test_lasot(lasot_root, caplog):
    data = Lasot(lasot_root, vid_ids=[1])
    assert data.sequence_list == ["airplane-1", "basketball-1"] and data.class_list == [
        "airplane",
        "basketball",
    ]
    info = data.get_sequence_info(0)
    assert (info["visible"] == 0).nonzero().flatten().tolist() == [3, 4] and info[
        "visible"
    ].dtype == torch.uint8
    assert data.get_visible(0).dtype == bool and data.get_visible(0).sum() == 20
    assert data.get_frames(1, [21])[2]["object_class_name"] == "basketball"
    assert data.get_sequences_in_class("basketball") == [1]


def test_lasot_split_sources(lasot_root, local_py, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert Lasot(lasot_root, split="train").sequence_list == ["airplane-1", "basketball-1"]
    assert "not the official split" in caplog.text
    (tmp_path / "lasot_train_split.txt").write_text("airplane-5\nabsent-1\n")
    configure(local_py, data_specs_dir=str(tmp_path))
    assert Lasot(lasot_root, split="train").sequence_list == ["airplane-5", "absent-1"]
    assert "1 of which are not in" in caplog.text
    (lasot_root / "testing_set.txt").write_text("airplane-1\n")
    assert Lasot(lasot_root, split="train").sequence_list == ["airplane-5", "basketball-1"]
    (lasot_root / "training_set.txt").write_text("basketball-1\n")
    assert Lasot(lasot_root, split="train").sequence_list == ["basketball-1"]


def test_tracking_net(trackingnet_root, local_py, tmp_path):
    data = TrackingNet(trackingnet_root)
    assert data.sequence_list == [(0, "a"), (0, "b"), (2, "c")]
    assert TrackingNet(trackingnet_root, set_ids=[2]).sequence_list == [(2, "c")]
    assert data.frame_path(0, 0).name == "0.jpg" and data.get_frame(0, 11).shape == (48, 64, 3)
    assert data.get_frames(0, [0])[2]["object_class_name"] is None
    (tmp_path / "trackingnet_classmap.txt").write_text("a\tbird\nc\tplane\n")
    configure(local_py, data_specs_dir=str(tmp_path))
    data = TrackingNet(trackingnet_root)
    assert data.get_frames(0, [0])[2]["object_class_name"] == "bird"
    assert data.get_frames(1, [0])[2]["object_class_name"] is None  # not in the map
    assert data.get_sequences_in_class("plane") == [2]


def test_video_folder(tmp_path, trees, no_local_py):
    root = tmp_path / "videos"
    trees.write_images(root / "cat", ["frame9.png", "frame10.png", "frame11.JPG"])
    trees.write_images(root / "dog" / "img", ["1.jpg", "2.jpg"])
    (root / "notes").mkdir()
    (root / "cat" / "groundtruth.txt").write_text("2,5,6,7,8\n0,1,2,3,4\n")
    (root / "dog" / "groundtruth.txt").write_text("1 2 3 4\npoison\n")
    data = VideoFolder(root)
    assert data.sequence_list == ["cat", "dog"] and data.get_sequence_length(0) == 3
    assert data.frame_path(0, 0).name == "frame9.png"
    assert data.get_visible(0).tolist() == [True, False, True]
    assert (
        data.get_boxes(0, [2, 0]).tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
        and np.isnan(data.get_boxes(0, [1])).all()
    )
    assert data.get_boxes(1, [0]).tolist() == [[1, 2, 3, 4]]
    with pytest.raises(BadValue, match=r"groundtruth.txt line 2: .*poison"):
        data.get_sequence_info(1)
    with pytest.raises(MissingFile, match="no frame 3, it has 3 images"):
        data.get_frame(0, 3)
    (root / "cat" / "groundtruth.txt").write_text("1,2,3,4\n")
    with pytest.raises(BadValue, match="1 lines for 3 frames"):
        VideoFolder(root).get_boxes(0, [0])
    (root / "cat" / "groundtruth.txt").write_text("7,1,2,3,4\n")
    with pytest.raises(BadValue, match="line 1: '7' is no frame"):
        VideoFolder(root).get_boxes(0, [0])


@pytest.mark.parametrize(
    "make",
    [
        lambda r: Got10k(r("got10k_root")),
        lambda r: Lasot(r("lasot_root"), vid_ids=[1]),
        lambda r: TrackingNet(r("trackingnet_root")),
    ],
    ids=["got10k", "lasot", "trackingnet"],
)
def test_boxes_of_chosen_frames_need_no_other_line(make, request):
    data = make(request.getfixturevalue)
    length, boxes = data.get_sequence_length(0), data.get_boxes(0, [2, 4])
    path = data.boxes_path(0)
    lines = ["poison"] * length
    lines[2], lines[4] = path.read_text().splitlines()[2:5:2]
    path.write_text("\n".join(lines))
    assert (
        np.array_equal(data.get_boxes(0, [2, 4]), boxes) and data.get_sequence_length(0) == length
    )
    assert data.get_frame(0, 0).dtype == np.uint8
    with pytest.raises(BadValue, match="line 1"):
        data.get_sequence_info(0)


class Upstream(BaseVideoDataset):
    """A data set as users have written them: three methods."""

    def __init__(self, visible, image=False):
        super().__init__("mine", "")
        self.visible, self.image, self.sequence_list = visible, image, list(range(len(visible)))

    def get_name(self):
        return "mine"

    def is_video_sequence(self):
        return not self.image

    def get_sequence_info(self, seq_id):
        visible = torch.as_tensor(self.visible[seq_id], dtype=torch.uint8)
        bbox = torch.arange(len(visible)).float()[:, None] + torch.tensor([0.0, 1, 2, 3])
        return {"bbox": bbox, "valid": visible > 0, "visible": visible}

    def get_frames(self, seq_id, frame_ids, anno=None):
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        return (
            [np.full((4, 4, 3), i, np.uint8) for i in frame_ids],
            {key: [value[i, ...].clone() for i in frame_ids] for key, value in anno.items()},
            {"object_class_name": "x"},
        )


def test_defaults_of_the_base_class():
    data = Upstream([np.ones(9)])
    assert data.get_sequence_length(0) == 9 and data.get_boxes(0, [3, 1]).tolist() == [
        [3, 4, 5, 6],
        [1, 2, 3, 4],
    ]
    assert (
        data.get_frame(0, 5)[0, 0, 0] == 5
        and data.get_visible(0).all()
        and data.get_boxes(0, []).shape == (0, 4)
    )


MISSING = {
    "not configured": (
        lambda: Got10k(),
        NotConfigured,
        "got10k_dir is not set in .*list.txt.*spot quickstart",
    ),
    "not there": (
        lambda: Lasot("/nosuch", split="train"),
        MissingFile,
        "/nosuch' does not exist.*spot quickstart",
    ),
    "got10k both": (lambda: Got10k("/", split="train", seq_ids=[1]), ValueError, "exclude"),
    "got10k split": (lambda: Got10k("/", split="votrain"), ValueError, "did you mean 'vottrain'"),
}


@pytest.mark.parametrize(("make", "error", "text"), MISSING.values(), ids=MISSING)
def test_wrong_arguments(local_py, make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_wrong_folders(got10k_root, trackingnet_root, local_py, tmp_path, caplog):
    with pytest.raises(MissingFile, match=f"holds no list.txt.*perhaps '{got10k_root}'"):
        Got10k(got10k_root.parent)
    with pytest.raises(MissingFile, match="TRAIN_1"):
        TrackingNet(trackingnet_root, set_ids=[1])
    with caplog.at_level("WARNING"):
        assert TrackingNet(trackingnet_root, set_ids=[0, 1]).set_ids == [0]
    assert "lacks TRAIN_1" in caplog.text
    with pytest.raises(BadValue, match="no sequence 5"):
        Got10k(got10k_root, seq_ids=[5])
    configure(local_py, trackingnet_dir=str(tmp_path))
    with pytest.raises(
        MissingFile, match=f"trackingnet_dir in {local_py} is '{tmp_path}', which holds no TRAIN_0"
    ):
        TrackingNet()


# Samplers

MANY = np.ones(60)


def ids(sample, name):
    return [int(box[0]) for box in sample[f"{name}_anno"]]


def test_gap_grows_where_nothing_is_visible():
    sampler = TrackingSampler(
        [Upstream([np.arange(120) % 12 == 0])], None, 1, max_gap=1, num_test_frames=1
    )
    random.seed(1)
    assert {ids(s, "test")[0] - ids(s, "train")[0] for s in (sampler[0] for _ in range(50))} <= {
        12,
        24,
    }


def test_data_set_of_unsuitable_sequences_is_named(monkeypatch):
    short, hidden = np.ones(19), np.r_[np.ones(4), np.zeros(30)]
    monkeypatch.setattr("ltr.data.sampler.base.SEQUENCE_DRAWS", 20)
    with pytest.raises(BadInput, match=r"none of 20 sequences drawn from mine .* has 20 frames"):
        TrackingSampler([Upstream([short, hidden])], None, 1, 5, 1)[0]


def test_impossible_dataset_probabilities():
    big, small = Upstream([MANY] * 3), Upstream([MANY])
    for bad in ([1], [0, 0], [1, -1]):
        with pytest.raises(BadValue, match="p_datasets"):
            TrackingSampler([big, small], bad, 1, 5, 1)
    with pytest.raises(BadValue, match="no sequences"):
        TrackingSampler([big, Upstream([])], [1, 1], 1, 5, 1)


def test_image_datasets_repeat_frame_1():
    sample = TrackingSampler(
        [Upstream([np.ones(2)], image=True)], None, 1, 5, 2, num_train_frames=3
    )[0]
    assert ids(sample, "train") == [1, 1, 1] and ids(sample, "test") == [1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda data: TransTSampler([data], None, 1, 5),
        lambda data: TrackingSampler(
            [data], None, 1, 5, num_search_frames=1, num_template_frames=1
        ),
    ],
    ids=["TransTSampler", "TransT's arguments"],
)
def test_siamese_samples(make):
    sampler = make(Upstream([MANY]))
    assert sampler.frame_sample_mode == "interval"
    assert list(sampler[0]) == ["template_images", "template_anno", "search_images", "search_anno"]


def test_sampler_arguments():
    data = [Upstream([MANY])]
    with pytest.raises(BadValue, match="either"):
        TrackingSampler(data, None, 1, 5, 1, num_search_frames=1)
    with pytest.raises(TypeError, match="num_test_frames"):
        TrackingSampler(data, None, 1, 5)
    with pytest.raises(BadValue, match="did you mean 'causal'"):
        TrackingSampler(data, None, 1, 5, 1, frame_sample_mode="casual")


def test_batches_of_a_real_pipeline_do_not_depend_on_workers(got10k_root):
    crops = TransTProcessing(
        4.0,
        2.0,
        64,
        32,
        {"search": 3, "template": 0},
        {"search": 0.25, "template": 0},
        transform=tfm.Transform(tfm.ToTensorAndJitter(0.2), tfm.RandomHorizontalFlip()),
        joint_transform=tfm.ToGrayscale(0.5),
    )
    samples = TransTSampler([Got10k(got10k_root)], None, 8, 10, processing=crops)
    epochs = []
    for workers in (0, 2):
        loader = LTRLoader(
            "train", samples, batch_size=4, shuffle=True, num_workers=workers, seed=1
        )
        loader.set_epoch(3)
        epochs.append(list(loader))
    assert len(epochs[0]) == 2
    for here, there in zip(*epochs, strict=True):
        assert list(here) == list(there) and all(torch.equal(here[key], there[key]) for key in here)
    assert not torch.equal(epochs[0][0]["search_images"], epochs[0][1]["search_images"])


def test_bad_files_are_reported_and_skipped(got10k_root, caplog):
    bad = got10k_root / "GOT-10k_Train_000002"
    for image in bad.glob("*.jpg"):
        image.write_bytes(image.read_bytes()[:300])
    sampler = TransTSampler([Got10k(got10k_root)], None, 1, 10)
    random.seed(0)
    for _ in range(20):
        assert sampler[0]["search_images"][0].shape == (48, 64, 3)
    assert f"drawing another sample: image {bad}" in caplog.text
    for image in got10k_root.glob("*/*.jpg"):
        image.unlink()
    with pytest.raises(BadInput, match="50 draws in a row failed, the last one with: there is no"):
        sampler[0]


def test_trackingnets_videos_are_listed_by_the_name_that_others_import(trackingnet_root):
    from ltr.dataset.tracking_net import list_sequences

    assert list_sequences(str(trackingnet_root), [2, 0]) == [(2, "c"), (0, "a"), (0, "b")]
