"""Keeps what was found in a video in a file, so that it is done once."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.io.files import atomic_write
from spot_ext.boxes.track import VideoBoxes
from spot_ext.propagate.fuse import Fused

# Of what is computed: raising it makes the files of earlier versions out of date.
VERSION = 2


@dataclass(frozen=True)
class ResultCache:
    """A file with what was found in one video, and a stamp of what it was computed from."""

    path: Path
    stamp: str
    # Names what rounds of one job have in common; empty: none goes on from another.
    lineage: str = ""
    # Fingerprint of the video's frames.
    frames: str = ""

    @classmethod
    def of(
        cls, folder: Path, video: VideoBoxes, made_of: str, lineage: str = "", frames: str = ""
    ) -> ResultCache:
        """Return the file in `folder` for a video; `made_of` names all else that decides."""
        stamp = hashlib.sha256(f"{VERSION} {made_of}".encode())
        for item in video.objects:
            boxes = f"{item.object_id} {item.frame_ids.tolist()} {item.boxes_xywh.tolist()}"
            stamp.update(boxes.encode())
        readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in video.video)
        # Names that differ in replaced characters only must not share a file.
        digest = hashlib.sha256(video.video.encode()).hexdigest()[:6]
        return cls(folder / f"{readable}-{digest}.npz", stamp.hexdigest(), lineage, frames)

    def read(self) -> list[Fused] | None:
        """Return what was found; None where there is no file, or one with another stamp."""
        try:
            with np.load(self.path, allow_pickle=False) as content:
                if str(content["stamp"]) != self.stamp:
                    return None
                return [_fused(content, number) for number in range(int(content["count"]))]
        except (OSError, ValueError, KeyError, EOFError):
            # Not there, or not ours: it is done again.
            return None

    def other_frames(self) -> str | None:
        """Return the fingerprint of the frames of what is kept, where these were others."""
        try:
            with np.load(self.path, allow_pickle=False) as content:
                frames = str(content["frames"])
                return frames if frames != self.frames else None
        except (OSError, ValueError, KeyError, EOFError):
            return None

    def read_earlier(self) -> dict[str, Fused]:
        """Return what an earlier round of the same lineage found, by object id."""
        try:
            with np.load(self.path, allow_pickle=False) as content:
                if not self.lineage or str(content["lineage"]) != self.lineage:
                    return {}
                object_ids = content["object_ids"].tolist()
                return {name: _fused(content, number) for number, name in enumerate(object_ids)}
        except (OSError, ValueError, KeyError, EOFError):
            # Not there, not ours, or of a version that did not know rounds.
            return {}

    def write(self, object_ids: Sequence[str], fused: Sequence[Fused]) -> None:
        """Keep what was found, in one step."""
        arrays: dict[str, Any] = {
            "stamp": np.array(self.stamp),
            "count": np.array(len(fused)),
            "lineage": np.array(self.lineage),
            "frames": np.array(self.frames),
            "object_ids": np.array(list(object_ids)),
        }
        for number, found in enumerate(fused):
            for field in dataclasses.fields(Fused):
                arrays[f"{number}_{field.name}"] = getattr(found, field.name)
        with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)


def _fused(content: Any, number: int) -> Fused:
    return Fused(
        **{field.name: content[f"{number}_{field.name}"] for field in dataclasses.fields(Fused)}
    )
