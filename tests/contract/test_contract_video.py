"""Contract checks A01 for run_video.py and run_webcam.py, and the signatures of sections A.3, A.4,
B.5 and D.6.
"""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper
from pytracking.evaluation.tracker import Tracker
from pytracking.run_video import run_video
from pytracking.run_webcam import run_webcam
from pytracking.utils import plotting
from pytracking.utils.visdom import Visdom

SCRIPTS = Path(__file__).resolve().parents[2] / "pytracking"


@pytest.mark.parametrize(
    "script, flags",
    [
        (
            "run_video.py",
            [
                "tracker_name",
                "tracker_param",
                "videofile",
                "--optional_box",
                "--debug",
                "--save_results",
                "--save_video",
                "--device",
            ],
        ),
        (
            "run_webcam.py",
            [
                "tracker_name",
                "tracker_param",
                "--debug",
                "--use_visdom",
                "--visdom_server",
                "--visdom_port",
                "--device",
            ],
        ),
    ],
)
def test_A01_help_lists_every_flag(tmp_path, script, flags):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), "-h"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and all(flag in done.stdout for flag in flags)


@pytest.mark.parametrize(
    "function, start",
    [
        (
            run_video,
            "(tracker_name, tracker_param, videofile, optional_box=None, debug=None, "
            "save_results=False",
        ),
        (run_webcam, "(tracker_name, tracker_param, debug=None, visdom_info=None"),
        (Tracker.__init__, "(self, name, parameter_name, run_id=None, display_name=None"),
        (
            Tracker.run_sequence,
            "(self, seq, visualization=None, debug=None, visdom_info=None, multiobj_mode=None)",
        ),
        (
            Tracker.run_video_generic,
            "(self, debug=None, visdom_info=None, videofilepath=None, optional_box=None, "
            "save_results=False",
        ),
        (
            Tracker.run_video,
            "(self, videofilepath, optional_box=None, debug=None, visdom_info=None, "
            "save_results=False)",
        ),
        (Tracker.run_webcam, "(self, debug=None, visdom_info=None)"),
        (Tracker.visualize, "(self, image, state, segmentation=None)"),
        (
            MultiObjectWrapper.__init__,
            "(self, base_tracker_class, params, visdom=None, fast_load=False, frame_reader=None)",
        ),
        (Visdom.__init__, "(self, debug=0, ui_info=None, visdom_info=None)"),
        (Visdom.register, "(self, data, mode, debug_level=0, title='Data', **kwargs)"),
        (plotting.show_tensor, "(a, fig_num=None, title=None, range=(None, None), ax=None)"),
        (plotting.plot_graph, "(a, fig_num=None, title=None)"),
        (plotting.show_image_with_boxes, "(im, boxes, iou_pred=None, disp_ids=None)"),
        (plotting.overlay_mask, "(im, ann, alpha=0.5, colors=None, contour_thickness=None)"),
        (plotting._pascal_color_map, "(N=256, normalized=False)"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_signatures_begin_as_in_the_contract(function, start):
    parameters = [
        p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()
    ]
    assert str(inspect.Signature(parameters)).startswith(start)
