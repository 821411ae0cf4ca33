"""Chooses the frames that the page asks for: k per video by the paper's rule, and those that files
ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, in_short, suggestion
from ltr.data.seeding import generator
from ltr.dataset.video_folder import VideoFolder
from spot_ext.boxes import frame_request, key_frames
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.frame_request import FileEntry, FrameRequest

# Doubtful frames of one stretch that are nearer to each other than this show the same mistake.
FRAMES_APART = 10


def by_rule(dataset: VideoFolder, seq_id: int, k: int, seed: int = 0) -> list[FrameRequest]:
    """Return the k key frames of one video, at least one.

    They are those that `python -m spot_ext sample folder` draws with this seed.
    """
    if k < 1:
        raise BadValue(f"--k {k}: ask for at least 1 frame per video")
    visible = dataset.get_selectable(seq_id)
    video = key_frames.sequence_key(dataset, seq_id)
    rng = generator(seed, "key_frames", video)
    frame_ids = key_frames.draw_key_frames(visible, k, rng)
    if not frame_ids:
        # No frame is known to show the object: take any frame.
        any_frame = key_frames.WindowRule(min_visible=1)
        frame_ids = key_frames.draw_key_frames(np.ones_like(visible), k, rng, any_frame)
    # The rule finds nothing in a video of one frame.
    return [FrameRequest(video, "", frame_id) for frame_id in frame_ids or (0,)]


def from_file(
    path: Path, frame_counts: Mapping[str, int]
) -> tuple[dict[str, list[FrameRequest]], bool]:
    """Return the requested frames by video, and whether they replace the rule's.

    A file of `sample` replaces them; one of `label` or `suggest` adds to them. Of doubtful frames
    that show the same mistake only the most wanted is returned. BadInput names the line or entry of
    an unknown video or frame.
    """
    path = Path(path)
    if _is_file_of_sample(path):
        return _sampled(path, frame_counts), True
    entries = frame_request.read(path)
    for entry in entries:
        _check_frame(entry.where, entry.request.frame_id, entry.request.video, frame_counts)
    requested_ids = {
        (entry.request.video, entry.request.object_id, entry.request.frame_id) for entry in entries
    }
    by_video: dict[str, list[FrameRequest]] = {}
    for entry in entries:
        wanted = by_video.setdefault(entry.request.video, [])
        apart = FRAMES_APART if _in_a_stretch(entry, requested_ids) else 1
        if all(abs(entry.request.frame_id - other.frame_id) >= apart for other in wanted):
            wanted.append(entry.request)
    return by_video, False


def text_of(request: FrameRequest) -> str:
    """Return the reason, with the name of the object where it is not the video's first."""
    if not request.reason or request.object_id in ("", "1"):
        return request.reason
    return f"object {request.object_id}: {request.reason}"


def _in_a_stretch(entry: FileEntry, requested_ids: set[tuple[str, str, int]]) -> bool:
    """Return whether a frame beside this one is asked for too, both with a reason."""
    if entry.is_old_review:
        return True
    request = entry.request
    neighbours = {
        (request.video, request.object_id, request.frame_id - 1),
        (request.video, request.object_id, request.frame_id + 1),
    }
    return bool(request.reason) and bool(neighbours & requested_ids)


def _is_file_of_sample(path: Path) -> bool:
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        # Reading the requests says what is wrong with the file.
        return False
    return isinstance(content, dict) and label_file.RESULT in content


def _sampled(path: Path, frame_counts: Mapping[str, int]) -> dict[str, list[FrameRequest]]:
    labels = label_file.read(path, frame_counts)
    by_video = {}
    for name, video in labels.videos.items():
        frame_ids = sorted({i for track in video.tracks for i in track.frame_ids.tolist()})
        for frame_id in frame_ids:
            _check_frame(f"{path}: '{name}'", frame_id, name, frame_counts)
        by_video[name] = [FrameRequest(name, "", frame_id) for frame_id in frame_ids]
    return by_video


def _check_frame(where: str, frame_id: int, video: str, frame_counts: Mapping[str, int]) -> None:
    if video not in frame_counts:
        raise BadValue(
            f"{where}: there is no video '{in_short(video)}'{suggestion(video, frame_counts)}; "
            "give the file of this folder"
        )
    if not 0 <= frame_id < frame_counts[video]:
        raise BadValue(
            f"{where}: '{video}' has frames 0 to {frame_counts[video] - 1}, not {frame_id}; give "
            "the file of this folder"
        )
