"""Tracker: names and folders, and what a tracker is asked in which order."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured
from pytracking.evaluation import Tracker, get_dataset
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.display import FigureDisplay, draw_objects


def parameters(tracker: Tracker, **values) -> Tracker:
    """Let `tracker` run with some of the parameter file's values changed."""
    original = tracker.get_parameters

    def changed():
        params = original()
        vars(params).update(values)
        return params

    tracker.get_parameters = changed
    return tracker


@pytest.mark.parametrize("name", ["nosuch", "no-such", "no.such", "12", "local"])
def test_tracker_without_code_can_be_analysed(machine, name):
    tracker = Tracker(name, "default")
    assert tracker.tracker_class is None
    with pytest.raises(MissingFile, match=f"tracker {name}: there is no package"):
        tracker.check()


def test_leftover_folder_is_no_tracker(machine, plugin_folder):
    (plugin_folder / "tracker" / "leftover" / "__pycache__").mkdir(parents=True, exist_ok=True)
    assert Tracker("leftover", "default").tracker_class is None


def test_tracker_package_without_class_is_named(machine, plugin_folder):
    (plugin_folder / "tracker" / "classless").mkdir(exist_ok=True)
    (plugin_folder / "tracker" / "classless" / "__init__.py").write_text("")
    with pytest.raises(BadInput, match=r"classless/__init__\.py defines no get_tracker_class"):
        Tracker("classless", "default")


def test_empty_results_path_is_named(machine):
    text = machine.local.read_text()
    machine.local.write_text(
        text.replace("    return", "    settings.results_path = ''\n    return")
    )
    with pytest.raises(NotConfigured, match="results_path is empty"):
        Tracker("moving", "default")


@pytest.mark.parametrize(
    "name, parameter, expected",
    [
        (
            "moving",
            "defualt",
            r"no parameter file .*moving/defualt.py, did you mean 'default'\? - there are .*failing",
        ),
        ("transt", "spot_trans", "did you mean 'spot_transt'"),
        ("transtt", "transt50", "no folder pytracking/parameter/transtt, did you mean 'transt'"),
    ],
)
def test_missing_parameter_file_is_named(machine, name, parameter, expected):
    with pytest.raises(MissingFile, match=expected):
        Tracker(name, parameter).get_parameters()


def test_error_inside_a_parameter_file_is_not_hidden(machine, plugin_folder):
    (plugin_folder / "parameter" / "moving" / "broken.py").write_text("import no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Tracker("moving", "broken").get_parameters()


def test_what_the_tracker_returns_is_kept(got10k, machine):
    masks = [np.full((60, 80), frame, np.uint8) for frame in range(5)]
    tracker = parameters(
        Tracker("moving", "default"),
        start_output={"time": 9.0, "segmentation": masks[0], "target_bbox": [1, 1, 1, 1]},
        extra=lambda frame: {
            "time": float(frame),
            "segmentation": masks[frame],
            "object_presence_score": None if frame == 2 else 0.5,
        },
    )
    out = tracker.run_sequence(get_dataset("got10k_val")[0])
    assert out["time"] == [9, 1, 2, 3, 4] and out["target_bbox"][0] == [1, 1, 1, 1]
    assert [mask[0, 0] for mask in out["segmentation"]] == [0, 1, 2, 3, 4]
    assert out["object_presence_score"] == [1.0, 0.5, None, 0.5, 0.5]


def test_output_without_box_is_named(got10k, machine):
    tracker = Tracker("moving", "default")
    tracker.tracker_class = type(
        "NoBox", (tracker.tracker_class,), {"track": lambda self, image, info: None}
    )
    with pytest.raises(
        BadInput, match=r"track\(\) must return a dict with 'target_bbox', on frame 1 of GOT"
    ):
        tracker.run_sequence(get_dataset("got10k_val")[0])


@pytest.mark.parametrize("box", ["nan,1,2,3", "1,1,0,5", "1,1,5,-2"])
def test_no_box_to_start_from(machine, trees, box):
    trees.write_got10k(machine.got10k_path / "val", box=box)
    with pytest.raises(BadValue, match="sequence GOT-10k_Val_000001: the first box"):
        Tracker("moving", "default").run_sequence(get_dataset("got10k_val")[0])


@pytest.mark.parametrize(
    "frames, truth, expected",
    [
        ([], np.ones((1, 4)), "has no frames"),
        (["f"], None, "has no box"),
        (["f"], np.zeros((0, 4)), "has no box"),
    ],
)
def test_sequence_that_cannot_be_tracked(machine, frames, truth, expected):
    with pytest.raises(BadInput, match=f"sequence s {expected}"):
        Tracker("moving", "default").run_sequence(Sequence("s", frames, "t", truth))


@pytest.mark.parametrize("content", [None, b"\xff\xd8\xff no image"])
def test_frame_that_cannot_be_read_is_named(got10k, machine, content):
    frame = got10k / "GOT-10k_Val_000001" / "00000003.jpg"
    seq = get_dataset("got10k_val")[0]
    _ = seq.frames
    frame.unlink()
    if content:
        frame.write_bytes(content)
    with pytest.raises(BadInput, match=r"00000003\.jpg"):
        Tracker("moving", "default").run_sequence(seq)


def test_sequence_of_several_objects_needs_a_tracker_for_them(got10k, machine):
    seq = Sequence(
        "m",
        get_dataset("got10k_val")[0].frames,
        "t",
        {"1": np.ones((5, 4)), "2": np.ones((5, 4))},
        object_ids=["1", "2"],
        multiobj_mode=True,
    )
    with pytest.raises(ValueError, match="unknown multi object mode 'all'"):
        Tracker("moving", "default").run_sequence(seq, multiobj_mode="all")


def test_tracker_travels_to_other_processes(machine):
    tracker = Tracker("moving", "default", 2)
    tracker.init_visualization()
    twin = pickle.loads(pickle.dumps(tracker))
    assert twin._display is None
    assert twin.results_dir.endswith("default_002") and twin.tracker_class.__name__ == "Moving"


def test_display_draws_boxes_and_mask(machine):
    display = FigureDisplay("test")
    display.show(np.zeros((60, 80, 3), np.uint8), [[1, 2, 30, 40], [5, 5, 5, 5]], np.ones((60, 80)))
    assert len(display.axes.patches) == 2 and len(display.axes.images) == 2
    display.close()


def test_extra_boxes_and_masks_are_drawn(got10k, machine, monkeypatch):
    shown = []
    monkeypatch.setattr(
        FigureDisplay, "show", lambda self, image, state, mask: shown.append((state, mask))
    )
    mask = np.ones((60, 80))
    tracker = parameters(
        Tracker("moving", "default"),
        extra=lambda frame: {"clf_search_area": [1, 1, 9, 9], "segmentation": mask},
    )
    tracker.run_sequence(get_dataset("got10k_val")[0], debug=1, visdom_info={"use_visdom": False})
    assert shown[0] == ([10.5, 10, 20, 20], None)
    assert shown[1] == ([[12.1, 10, 20, 20], [1, 1, 9, 9]], mask)


def test_several_objects_drawn_on_one_frame():
    image = np.zeros((60, 80, 3), np.uint8)
    labels = np.zeros((60, 80), np.uint8)
    labels[50:, 70:] = 300 % 256
    drawn = draw_objects(
        image, {number: [number * 4, 10, 3, 30] for number in range(1, 15)}, labels
    )
    assert not image.any() and len({tuple(drawn[40, number * 4]) for number in range(1, 15)}) == 14
    assert drawn[55, 75].any() and not drawn[55, 5].any()
    assert np.array_equal(draw_objects(image, {1: None, 2: [np.nan] * 4}), image)


def test_keys_of_the_window(machine):
    tracker = Tracker("moving", "default")
    states = []
    for key in "pxrp":
        tracker.press(SimpleNamespace(key=key))
        states.append(tracker.pause_mode)
    assert states == [True, True, True, False]
