"""Frame numbers of image files, and names for the frames of a video."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats.infos import VideoInfo

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def frames_by_name(names: Iterable[str], info: VideoInfo, where: str) -> dict[str, int]:
    """Frame (0-based) of each image name of one video.

    Where the video's images are known, the place of the image among them. Else by the last number
    in the name: names count from 1, as in GOT-10k and LaSOT, unless one of them is number 0.
    """
    names = list(names)
    if info.frame_names is not None:
        frames = {_stem(name): frame_id for frame_id, name in enumerate(info.frame_names)}
        for name in names:
            if _stem(name) not in frames:
                raise BadValue(
                    f"{where}: '{name}' is none of the video's {len(frames)} images, such as "
                    f"'{info.frame_names[0]}'; correct the name or give the folder that belongs "
                    "to the file"
                )
        return {name: frames[_stem(name)] for name in names}
    numbers = {}
    for name in names:
        found = _LAST_NUMBER.search(_stem(name))
        if found is None:
            raise BadValue(
                f"{where}: '{name}' has no number that could be its frame; give the folder of the "
                "videos with "
                "--videos"
            )
        numbers[name] = int(found[1])
    first = 0 if 0 in numbers.values() else 1
    return {name: value - first for name, value in numbers.items()}


def frame_name(frame_id: int, info: VideoInfo, suffix: str = ".jpg") -> str:
    """File name for a frame: that of its image where known, else six digits that count from 1."""
    if info.frame_names is not None and frame_id < len(info.frame_names):
        return (
            info.frame_names[frame_id]
            if suffix == ".jpg"
            else _stem(info.frame_names[frame_id]) + suffix
        )
    return f"{frame_id + 1:06d}{suffix}"


def _stem(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/")).name
    return last.rpartition(".")[0] or last
