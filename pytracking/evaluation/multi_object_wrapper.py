"""Several objects with a tracker made for one: an instance per object, their outputs joined."""

from __future__ import annotations

import copy
import logging
import time
from collections import OrderedDict
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from pytracking.utils.plotting import draw_tracking_panel

_log = logging.getLogger(__name__)
MASK_THRESHOLD = 0.5  # default of params.segmentation_threshold; raising it shrinks the masks


class MultiObjectWrapper:
    """Looks like one tracker; boxes, masks and all other outputs are dicts by object id.

    Args:
        base_tracker_class: tracker of a single object.
        params: its parameters, shared by all instances.
        visdom, frame_reader: set as attributes of every instance.
        fast_load: prepare one instance now (`initialize_features()`) and copy it per object, so
            that an object can start in the middle of a live video without a pause.

    """

    def __init__(
        self,
        base_tracker_class: type,
        params,
        visdom=None,
        fast_load: bool = False,
        frame_reader=None,
    ):
        self.base_tracker_class = base_tracker_class
        self.params = params
        self.visdom = visdom
        self.frame_reader = frame_reader
        self.initialized_ids: list = []
        self.trackers: OrderedDict[Any, Any] = OrderedDict()
        self._prepared = None
        if fast_load:
            self._prepared = base_tracker_class(params)
            if hasattr(self._prepared, "initialize_features"):
                self._prepared.initialize_features()

    def create_tracker(self):
        """A new instance for one object."""
        tracker = None
        if self._prepared is not None:
            try:
                tracker = copy.deepcopy(self._prepared)
            except Exception:  # whatever somebody's tracker holds that cannot be copied: building it anew always works  # noqa: E501
                _log.debug(
                    "%s cannot be copied, building it anew",
                    self.base_tracker_class.__name__,
                    exc_info=True,
                )
                self._prepared = None
        if tracker is None:
            tracker = self.base_tracker_class(self.params)
        tracker.visdom = self.visdom
        tracker.frame_reader = self.frame_reader
        return tracker

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any] | None:
        """Forget all objects and start those of `info['init_object_ids']`; None when there are
        none.

        `info['init_bbox']` is a dict of boxes_xywh by id, `info['init_mask']` (optional) an (H, W)
        image of ids.
        """
        starts = _starts(info)
        self.initialized_ids = []
        self.trackers = OrderedDict(
            (object_id, self.create_tracker()) for object_id in info.get("object_ids", starts)
        )
        if not starts:
            return None
        return self._merge(self._start(image, starts, {}))

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Follow the started objects to `image`, then start those of `info['init_object_ids']` on
        it.
        """
        info = dict(info or {})
        starts = _starts(info)
        if starts:
            info["init_other"] = starts
        outputs: OrderedDict[Any, dict] = OrderedDict()
        for object_id in self.initialized_ids:
            if object_id in starts:
                continue  # starts again
            begin = time.perf_counter()
            out = self.trackers[object_id].track(image, info)
            if not isinstance(out, dict) or "target_bbox" not in out:
                raise BadInput(
                    f"tracker {self.base_tracker_class.__name__}: track() must return a dict with "
                    "'target_bbox', "
                    f"for object {object_id} it did not"
                )
            outputs[object_id] = {"time": time.perf_counter() - begin, **out}
        outputs.update(
            self._start(
                image, starts, {"previous_output": info.get("previous_output", OrderedDict())}
            )
        )
        return self._merge(outputs)

    def visdom_draw_tracking(
        self, image: np.ndarray, box: Any, segmentation: np.ndarray | None = None
    ) -> None:
        """Show the frame with the boxes and the label image in the panel `Tracking`."""
        draw_tracking_panel(self.visdom, image, box, segmentation)

    def _start(
        self, image: np.ndarray, starts: dict[Any, dict], more: dict[str, Any]
    ) -> OrderedDict[Any, dict]:
        outputs: OrderedDict[Any, dict] = OrderedDict()
        for object_id, start in starts.items():
            if object_id not in self.trackers or object_id in self.initialized_ids:
                self.trackers[object_id] = self.create_tracker()
            begin = time.perf_counter()
            out = (
                self.trackers[object_id].initialize(image, {**start, "init_other": starts, **more})
                or {}
            )
            known = {
                "target_bbox": start.get("init_bbox"),
                "time": time.perf_counter() - begin,
                "segmentation": start.get("init_mask"),
            }
            outputs[object_id] = {
                **{key: value for key, value in known.items() if value is not None},
                **out,
            }
            if object_id not in self.initialized_ids:
                self.initialized_ids.append(object_id)
        return outputs

    def _merge(self, outputs: OrderedDict[Any, dict]) -> dict[str, Any]:
        if hasattr(self.base_tracker_class, "merge_results"):
            return self.base_tracker_class.merge_results(outputs)
        merged: dict[str, Any] = {"target_bbox": OrderedDict(), "time": OrderedDict()}
        for object_id, out in outputs.items():
            for key, value in out.items():
                if key != "segmentation":
                    merged.setdefault(key, OrderedDict())[object_id] = value
        labels = merge_masks(outputs, self.params.get("segmentation_threshold", MASK_THRESHOLD))
        if labels is not None:
            merged["segmentation"] = labels
        return merged


def merge_masks(outputs: dict[Any, dict], threshold: float) -> np.ndarray | None:
    """Return one (H, W) uint8 image of object ids, 0 for background; None when no object has a
    mask.

    A pixel belongs to the object with the highest value in `segmentation_soft` (else
    `segmentation`), if that is above `threshold`.
    """
    maps = {}
    for object_id, out in outputs.items():
        soft = out.get("segmentation_soft")
        values = out.get("segmentation") if soft is None else soft
        if values is not None:
            maps[object_id] = np.asarray(values, dtype=np.float32)
    if not maps:
        return None
    stacked_NHW = np.stack(list(maps.values()))
    ids_N = np.array([int(object_id) for object_id in maps], dtype=np.uint8)
    return np.where(
        stacked_NHW.max(axis=0) > threshold, ids_N[stacked_NHW.argmax(axis=0)], 0
    ).astype(np.uint8)


def _starts(info: dict[str, Any]) -> OrderedDict[Any, dict]:
    """By object id, what the tracker of an object that starts now is told; without ids, those that
    have a box start.
    """
    boxes, labels = info.get("init_bbox") or {}, info.get("init_mask")
    starts: OrderedDict[Any, dict] = OrderedDict()
    for object_id in info.get("init_object_ids", boxes):
        start: dict[str, Any] = {
            "object_ids": [object_id],
            "sequence_object_ids": info.get("sequence_object_ids"),
        }
        if boxes.get(object_id) is not None:
            start["init_bbox"] = boxes[object_id]
        if labels is not None:
            start["init_mask"] = (np.asarray(labels) == int(object_id)).astype(np.uint8)
        if len(start) == 2:
            raise BadValue(f"object {object_id} has neither a box nor a mask to start from")
        starts[object_id] = start
    return starts
