"""Running a tracker under a VOT toolkit, which gives the targets and frames and keeps the
results.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.geometry.checks import is_box
from pytracking.evaluation import vot, vot2020
from pytracking.evaluation.protocols import LiveTracker
from pytracking.evaluation.vot_regions import (
    NO_TARGET,
    Rectangle,
    Region,
    make_full_size,
    mask_to_box,
    region_numbers,
)
from pytracking.utils.convert_vot_anno_to_rect import convert_vot_anno_to_rect


def run_vot2020(
    tracker: LiveTracker, debug: int | None = None, visdom_info: dict | None = None
) -> None:
    """Follow the targets that the toolkit gives over TraX (VOT 2020 and later) until it ends the
    conversation.

    Masks are exchanged when the tracker's `predicts_segmentation_mask()` says so, otherwise
    rectangles. A box that is None or not finite is reported as a rectangle of size 0 with
    confidence 0, the target's absence. The confidence is the tracker's `object_presence_score`, 1
    if it gives none.

    Args:
        debug: level for the tracker, default `params.debug`; above 0 the frames are shown on a
            visdom server.
        visdom_info: `use_visdom`, `server` and `port` of the visdom server.

    """
    params, instance = _prepared(tracker, debug, visdom_info, vot2020.VOT)
    with_masks = instance.predicts_segmentation_mask()
    with _conversation(
        vot2020.VOT("mask" if with_masks else "rectangle", several_starts=True)
    ) as talk:
        while True:
            image = tracker._read_image(_start_image(talk))
            output = instance.initialize(image, _start_2020(talk.region(), image.shape)) or {}
            while (image_file := talk.frame()) is not None:
                image = tracker._read_image(image_file)
                output = instance.track(image, {"previous_output": OrderedDict(output)})
                tracker.show_frame(
                    instance, image, [output["target_bbox"]], output.get("segmentation")
                )
                region = _mask(output) if with_masks else _box(output)
                talk.report(
                    region,
                    0.0 if region is NO_TARGET else float(output.get("object_presence_score", 1.0)),
                )
            if not talk.next_start():
                return
            instance = _instance(tracker, params)


def run_vot(
    tracker: LiveTracker, debug: int | None = None, visdom_info: dict | None = None
) -> None:
    """Follow the targets that the toolkit gives as polygons (VOT up to 2019), reporting rectangles.

    The polygon becomes a box as `params.vot_anno_conversion_type` says: 'union' (default) or
    'preserve_area', see `convert_vot_anno_to_rect`.

    Args:
        debug: level for the tracker, default `params.debug`; above 0 the frames are shown on a
            visdom server.
        visdom_info: `use_visdom`, `server` and `port` of the visdom server.

    """
    params, instance = _prepared(tracker, debug, visdom_info, vot.VOT)
    conversion = params.get("vot_anno_conversion_type", "union")
    with _conversation(vot.VOT("polygon", several_starts=True)) as talk:
        while True:
            box = convert_vot_anno_to_rect(region_numbers(talk.region()), conversion)
            instance.initialize(
                tracker._read_image(_start_image(talk)), {"init_bbox": _checked_start(box)}
            )
            while (image_file := talk.frame()) is not None:
                image = tracker._read_image(image_file)
                output = instance.track(image)
                tracker.show_frame(
                    instance, image, [output["target_bbox"]], output.get("segmentation")
                )
                region = _box(output)
                talk.report(region, 0.0 if region is NO_TARGET else 1.0)
            if not talk.next_start():
                return
            instance = _instance(tracker, params)


def _prepared(
    tracker: LiveTracker, debug: int | None, visdom_info: dict | None, protocol: type[vot.VOT]
) -> tuple[Any, Any]:
    """Parameters and a tracker instance with its network loaded: the toolkit's clock starts with
    the first target.

    What fails here would reach the user as "Unable to connect to tracker", so it is told when the
    toolkit asks.
    """
    try:
        params = tracker.get_parameters()
        params.debug = params.get("debug", 0) if debug is None else debug
        params.tracker_name, params.param_name, params.run_id = (
            tracker.name,
            tracker.parameter_name,
            tracker.run_id,
        )
        tracker._init_visdom(visdom_info, params.debug)
        return params, _instance(tracker, params)
    except Exception as error:
        with _conversation(protocol("rectangle")):
            raise error


def _instance(tracker: LiveTracker, params: Any) -> Any:
    instance = tracker.create_tracker(params)
    if hasattr(instance, "initialize_features"):
        instance.initialize_features()
    return instance


@contextlib.contextmanager
def _conversation(talk: vot.VOT) -> Iterator[vot.VOT]:
    """`talk`, ended whatever happens; the toolkit is told the sentence of an error."""
    try:
        yield talk
    except Exception as error:
        with contextlib.suppress(
            Exception
        ):  # the client may be gone already; the first error is the one to show
            talk.quit(
                str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
            )
        raise
    talk.quit()


def _start_image(talk: vot.VOT) -> str:
    path = talk.frame()
    if path is None:
        raise BadInput("VOT: the client named a target without an image; start it again")
    return path


def _start_2020(region: Region, image_shape: tuple[int, ...]) -> dict[str, Any]:
    if not isinstance(region, np.ndarray):
        return {"init_mask": None, "init_bbox": _checked_start(region)}
    mask = make_full_size(region, (image_shape[1], image_shape[0]))
    return {"init_mask": mask, "init_bbox": _checked_start(mask_to_box(mask))}


def _checked_start(box) -> list[float]:
    if box is None or not is_box(box):
        raise BadInput(
            "VOT: the region to start from is empty "
            f"({'no mask pixel' if box is None else list(box)}) - correct "
            "the ground truth of the sequence"
        )
    return [float(number) for number in box]


def _box(output: dict[str, Any]) -> Rectangle:
    box = output["target_bbox"]
    if box is None or not np.isfinite(box).all():
        return NO_TARGET
    return Rectangle(*(float(number) for number in box))


def _mask(output: dict[str, Any]) -> np.ndarray:
    mask = output.get("segmentation")
    if mask is None:
        raise BadInput(
            "VOT: the tracker says that it predicts masks, but track() returned no 'segmentation'"
        )
    return np.asarray(mask).astype(np.uint8)
