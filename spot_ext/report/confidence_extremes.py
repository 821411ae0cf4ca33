"""The videos in which the teacher is most and least sure of its boxes, with frames to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadInput
from spot_ext.report.pictures import DOUBTFUL, HUMAN, SURE, Box, Picture, Videos, around, name_of
from spot_ext.report.run_folder import Run
from spot_ext.training.pseudo_labels import MappedTrack

LOOKED_AT = (
    2000  # object paths, evenly spread: more would not change which are the extremes by much
)
FRAMES = 5
WIDTH = 172  # px of a frame's picture


@dataclass(frozen=True)
class SureVideo:
    """One object path: name, mean confidence of its pseudo-labels, how much of it is explored, and
    frames of it.
    """

    name: str
    confidence: float
    share: float
    pictures: list[Picture]


@dataclass(frozen=True)
class Sureness:
    """Both ends of the order by mean confidence."""

    most: list[SureVideo]
    least: list[SureVideo]
    notes: list[str]


def sureness(run: Run, videos: Videos | None, count: int = 4) -> Sureness | None:
    """The `count` most and least sure paths among those with pseudo-labels; None when there are
    none yet.
    """
    store, found = run.store, []
    for path in np.unique(
        np.linspace(0, len(store) - 1, min(LOOKED_AT, len(store))).round().astype(int)
    ).tolist():
        view = store.track(path)
        pseudo = ~np.isin(view.frame_ids, view.key_ids)
        if pseudo.sum() >= 3:  # two boxes beside a label say nothing about a video
            found.append((float(view.confidences[pseudo].mean()), path))
    if not found:
        return None
    found.sort()
    notes: list[str] = []
    split = min(count, len(found) // 2) or 1
    least, most = found[:split], found[::-1][:split] if len(found) > 1 else []
    return Sureness(
        [_video(run, videos, *one, notes) for one in most],
        [_video(run, videos, *one, notes) for one in least],
        list(dict.fromkeys(notes)),
    )


def _video(
    run: Run, videos: Videos | None, confidence: float, path: int, notes: list[str]
) -> SureVideo:
    view, key = run.store.track(path), run.store.key_of(path)[0]
    pictures, lowest = [], int(view.confidence_units.argmin())
    for index in _chosen(view) if videos is not None else []:
        frame_id, box = int(view.frame_ids[index]), view.boxes_xywh[index]
        label = view.is_key(frame_id)
        colour = HUMAN if label else DOUBTFUL if index == lowest else SURE
        try:
            frame = videos.frames.read(path, frame_id)
        except (BadInput, OSError) as error:
            notes.append(f"A frame could not be read: {error}.")
            continue
        caption = f"{frame_id} · {'label' if label else f'{view.confidences[index]:.2f}'}"
        pictures.append(around(frame, box, [Box(box, colour)], caption, WIDTH))
    return SureVideo(name_of(key), confidence, len(view.frame_ids) / view.length, pictures)


def _chosen(view: MappedTrack) -> list[int]:
    """A label, and explored frames evenly spread over the video, the least confident one among
    them; in order.
    """
    count = len(view.frame_ids)
    labels = np.flatnonzero(np.isin(view.frame_ids, view.key_ids))
    spread = np.linspace(0, count - 1, FRAMES - 2).round().astype(int)
    chosen = {int(labels[len(labels) // 2]), int(view.confidence_units.argmin()), *spread.tolist()}
    rest = [
        i
        for i in np.linspace(0, count - 1, 4 * FRAMES).round().astype(int).tolist()
        if i not in chosen
    ]
    while len(chosen) < FRAMES and rest:
        farthest = max(rest, key=lambda i: min(abs(i - j) for j in chosen))
        chosen.add(farthest)
        rest.remove(farthest)
    return sorted(chosen)
