"""Find the tracks on whose boxes the teacher is most and least confident, with frames of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadInput
from spot_ext.report.pictures import DOUBTFUL, HUMAN, SURE, Box, Picture, Videos, around, name_of
from spot_ext.training.pseudo_labels import MappedTrack, PseudoLabelStore

# Tracks that are looked at, evenly spread over the store; more hardly change the extremes.
LARGEST_SAMPLE = 2000
# Two boxes beside a label say nothing about a video.
FEWEST_PSEUDO_LABELS = 3
FRAMES_SHOWN = 5
# Frames among which the shown ones are chosen, for each shown one.
FRAMES_CONSIDERED = 4
PICTURE_WIDTH = 172  # px


@dataclass(frozen=True)
class TrackConfidence:
    """Hold one track's name, mean confidence, explored share and frames to look at."""

    name: str
    confidence: float
    share: float
    pictures: list[Picture]


@dataclass(frozen=True)
class ConfidenceExtremes:
    """Hold both ends of the order by mean confidence, most extreme first."""

    most: list[TrackConfidence]
    least: list[TrackConfidence]
    notes: list[str]


def confidence_extremes(
    store: PseudoLabelStore, videos: Videos | None, count: int = 4
) -> ConfidenceExtremes | None:
    """Return the `count` most and least confident tracks; None before there are pseudo-labels.

    Without `videos` the tracks have no pictures.
    """
    ranking = _ranked_tracks(store)
    if not ranking:
        return None
    notes: list[str] = []

    def described(ranked: list[tuple[float, int]]) -> list[TrackConfidence]:
        return [
            TrackConfidence(
                name_of(store.key_of(track_id)[0]),
                confidence,
                _explored_share(store.track(track_id)),
                _pictures(store.track(track_id), track_id, videos, notes),
            )
            for confidence, track_id in ranked
        ]

    # The two ends never share a track; a single track is shown as the least confident one.
    shown = min(count, len(ranking) // 2) or 1
    most = described(ranking[::-1][:shown]) if len(ranking) > 1 else []
    least = described(ranking[:shown])
    return ConfidenceExtremes(most, least, list(dict.fromkeys(notes)))


def _ranked_tracks(store: PseudoLabelStore) -> list[tuple[float, int]]:
    """Return (mean confidence of pseudo-labels, number) of the sampled tracks, lowest first."""
    sample_size = min(LARGEST_SAMPLE, len(store))
    sample = np.unique(np.linspace(0, len(store) - 1, sample_size).round().astype(int))
    ranking = []
    for track_id in sample.tolist():
        track = store.track(track_id)
        is_pseudo = ~np.isin(track.frame_ids, track.key_ids)
        if is_pseudo.sum() >= FEWEST_PSEUDO_LABELS:
            ranking.append((float(track.confidences[is_pseudo].mean()), track_id))
    return sorted(ranking)


def _explored_share(track: MappedTrack) -> float:
    return len(track.frame_ids) / track.length


def _pictures(
    track: MappedTrack, track_id: int, videos: Videos | None, notes: list[str]
) -> list[Picture]:
    if videos is None:
        return []
    pictures = []
    least_confident = int(track.confidence_units.argmin())
    for index in _shown_indices(track):
        frame_id = int(track.frame_ids[index])
        try:
            frame = videos.frames.read(track_id, frame_id)
        except (BadInput, OSError) as error:
            notes.append(f"A frame could not be read: {error}.")
            continue
        box_xywh = track.boxes_xywh[index]
        if track.is_key(frame_id):
            colour, caption = HUMAN, "label"
        else:
            colour = DOUBTFUL if index == least_confident else SURE
            caption = f"{track.confidences[index]:.2f}"
        drawn_box = Box(box_xywh, colour)
        pictures.append(
            around(frame, box_xywh, [drawn_box], f"{frame_id} · {caption}", PICTURE_WIDTH)
        )
    return pictures


def _shown_indices(track: MappedTrack) -> list[int]:
    """Return indices of explored frames: a label, the least confident one, others evenly spread."""
    last = len(track.frame_ids) - 1
    label_indices = np.flatnonzero(np.isin(track.frame_ids, track.key_ids))
    middle_label = int(label_indices[len(label_indices) // 2])
    least_confident = int(track.confidence_units.argmin())
    spread = np.linspace(0, last, FRAMES_SHOWN - 2).round().astype(int).tolist()
    chosen = {middle_label, least_confident, *spread}

    candidates = np.linspace(0, last, FRAMES_CONSIDERED * FRAMES_SHOWN).round().astype(int).tolist()
    remaining = [index for index in candidates if index not in chosen]
    while len(chosen) < FRAMES_SHOWN and remaining:
        farthest = max(remaining, key=lambda index: min(abs(index - other) for other in chosen))
        chosen.add(farthest)
        remaining.remove(farthest)
    return sorted(chosen)
