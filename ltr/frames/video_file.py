"""Exact random access to the frames of a video file, through PyAV (the extra `video`)."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.frames.sources import FrameSource


class VideoFile(FrameSource):
    """The pictures of a video's first video stream, in the order in which they are shown.

    On first use the file is gone through once without decoding, which gives the time of every
    frame. A frame is then found by its time: by decoding on where it lies ahead in the same group
    of pictures, else from the key frame before it. Decoding uses one thread, as loader workers do.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._container: Any = None
        self._times: list[int] | None = (
            None  # of every frame, ascending; empty where the file gives none
        )
        self._keys: list[int] = []  # frame numbers of the key frames
        self._count = 0
        self._decoding: Iterator | None = None
        self._next = 0  # number of the frame that comes out of `_decoding` next
        self._last: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        if self._times is None:
            self._scan()
        return self._count

    def read(self, frame_id: int) -> np.ndarray:
        self._check(frame_id, self.path)
        if self._last is None or self._last[0] != frame_id:
            av = _pyav()
            try:
                self._last = frame_id, self._decode(frame_id)
            except av.FFmpegError as error:
                self.close()
                raise BadValue(
                    f"{self.path}: frame {frame_id} cannot be decoded ({error}); copy the video "
                    "again"
                ) from error
        return self._last[1].copy()

    def close(self) -> None:
        self._decoding = self._last = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_container": None, "_decoding": None, "_last": None}

    def _open(self) -> Any:
        av = _pyav()
        if self._container is None:
            try:
                container = av.open(str(self.path))
            except FileNotFoundError:
                raise MissingFile(f"there is no video {self.path}; correct the path") from None
            except (av.FFmpegError, OSError) as error:
                raise BadValue(
                    f"{self.path} cannot be opened as a video ({error}); copy or convert it"
                ) from error
            if not container.streams.video:
                container.close()
                raise BadValue(f"{self.path} holds no video stream; give a video file")
            context = container.streams.video[0].codec_context
            context.thread_count, context.thread_type = (
                1,
                "NONE",
            )  # threads would not survive a fork
            self._container = container
        return self._container

    def _scan(self) -> None:
        """Learn the time of every frame; where packets carry none, only how many frames there
        are.
        """
        av = _pyav()
        try:
            container = self._open()
            packets = [
                (packet.pts, packet.is_keyframe)
                for packet in container.demux(container.streams.video[0])
                if packet.size and not packet.is_discard
            ]
            times = sorted(pts for pts, _ in packets if pts is not None)
            if len(times) == len(packets) and len(set(times)) == len(times):
                numbers = {pts: number for number, pts in enumerate(times)}
                self._keys = sorted(numbers[pts] for pts, is_key in packets if is_key)
                self._times, self._count = times, len(times)
            else:
                self.close()
                stream = self._open().streams.video[0]
                self._times, self._count = [], sum(1 for _ in self._container.decode(stream))
        except av.FFmpegError as error:
            raise BadValue(
                f"{self.path} cannot be read to its end ({error}); copy the video again"
            ) from error
        finally:
            self.close()
        if not self._count:
            raise BadValue(f"{self.path} holds no frame; give another video")

    def _decode(self, frame_id: int) -> np.ndarray:
        if not self._times:
            return self._count_to(frame_id)
        before = bisect_right(self._keys, frame_id) - 1
        if (
            self._decoding is None
            or not self._next <= frame_id
            or (before >= 0 and self._keys[before] > self._next)
        ):
            self._seek(before)
        while (picture := self._forward_to(frame_id)) is None:
            # the container went to a later key frame than asked for, or this one does not stand
            # alone
            before -= 1
            if before < -1:
                raise BadValue(
                    f"{self.path}: frame {frame_id} does not come out of the decoder; convert the "
                    "video"
                )
            self._seek(before)
        return _rgb(picture)

    def _seek(self, key: int) -> None:
        """Let decoding begin at key frame number `key`; -1: at the start of the file."""
        if key < 0:
            self.close()
        container = self._open()
        stream = container.streams.video[0]
        if key >= 0:
            container.seek(self._times[self._keys[key]], stream=stream, backward=True)
        self._decoding, self._next = container.decode(stream), self._keys[key] if key >= 0 else 0

    def _forward_to(self, frame_id: int) -> Any | None:
        """Decode until the frame's time; None when it has passed without the frame."""
        wanted = self._times[frame_id]
        for picture in self._decoding:
            if picture.pts is not None and picture.pts >= wanted:
                self._next = frame_id + 1 if picture.pts == wanted else len(self._times)
                return picture if picture.pts == wanted else None
        self._decoding = None
        return None

    def _count_to(self, frame_id: int) -> np.ndarray:
        """For files without times: count frames from the start."""
        if self._decoding is None or self._next > frame_id:
            self.close()
            stream = self._open().streams.video[0]
            self._decoding, self._next = self._container.decode(stream), 0
        for picture in self._decoding:
            self._next += 1
            if self._next > frame_id:
                return _rgb(picture)
        raise BadValue(
            f"{self.path}: frame {frame_id} does not come out of the decoder; convert the video"
        )


def _rgb(picture: Any) -> np.ndarray:
    try:
        image = picture.to_ndarray(
            format="rgb24", threads=1
        )  # threads of the colour conversion hang a forked child, too
    except TypeError:  # an older PyAV, which knows no threads here
        image = picture.to_ndarray(format="rgb24")
    turns = round(getattr(picture, "rotation", 0) / 90) % 4  # phones note how they were held
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _pyav() -> Any:
    try:
        import av
    except ImportError:
        raise BadInput(
            'reading video files needs the package av: pip install "spot-tracking[video]"'
        ) from None
    return av
