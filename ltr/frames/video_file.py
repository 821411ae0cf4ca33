"""Exact random access to the frames of a video file, through PyAV (the extra `video`)."""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, in_short
from ltr.frames.picture_index import (
    PictureIndex,
    index_pictures,
    numbered_pictures,
    packet_key,
    video_packets,
)
from ltr.frames.pyav import import_av, open_container, upright_rgb
from ltr.frames.source import FOLDER_FPS, FrameSource

logger = logging.getLogger(__name__)

# Start of the file in place of a key picture.
FILE_START = -1


class VideoFile(FrameSource):
    """The pictures of a video's first video stream, in the order in which they are shown.

    On first use the file is gone through once, which tells which picture each packet becomes
    (`picture_index`). A frame is then found by decoding on, where it lies ahead in the same group
    of pictures, else from the key frame before it. Decoding uses one thread, as loader workers do.

    A file that ends before its duration is refused, unless `partial`: then the frames that are
    there can be read, and `check_complete` tells.

    Damage within pictures is looked for while they are decoded from the start of the file on; a
    decoder that begins later complains of sound files, too. The first one is told, and `damage`
    knows them all.
    """

    def __init__(self, path: str | os.PathLike, partial: bool = False):
        self.path = Path(path)
        self.partial = partial
        self._index: PictureIndex | None = None
        self._container: Any = None
        # packet numbers and pictures, as the decoder hands them out
        self._pictures: Iterator[tuple[int, Any]] | None = None
        # number of the picture that comes next
        self._next = 0
        self._last: tuple[int, np.ndarray] | None = None
        # what the decoder says of damage; None: it did not begin at the start
        self._errors: list[str] | None = None
        self._damage: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._indexed())

    @property
    def fps(self) -> float:
        return self._indexed().fps or FOLDER_FPS

    def read(self, frame_id: int) -> np.ndarray:
        self._check_frame_id(frame_id, self.path)
        if self._last is None or self._last[0] != frame_id:
            av = import_av()
            try:
                picture = self._decode(frame_id)
                self._last = frame_id, upright_rgb(picture)
                self._note_damage(frame_id, picture)
            except av.FFmpegError as error:
                self.close()
                raise BadValue(
                    f"{self.path}: frame {frame_id} cannot be decoded ({error}); copy the video "
                    "again"
                ) from error
        return self._last[1].copy()

    def damage(self, frame_id: int) -> str | None:
        return self._damage.get(frame_id)

    def _note_damage(self, frame_id: int, picture: Any) -> None:
        if self._errors is None:
            return
        texts = self._errors or (["the decoder marks it"] if picture.is_corrupt else [])
        if texts and not self._damage:
            logger.warning(
                "%s: frame %d is damaged (%s), and frames after it may be; boxes there may be "
                "wrong, copy the video again",
                self.path,
                frame_id,
                in_short(texts[-1]),
            )
        if texts:
            self._damage[frame_id] = in_short(texts[-1])
            self._errors.clear()

    def check_complete(self) -> None:
        if self._index is None:
            self._index = index_pictures(self.path)
        if self._index.problem is not None:
            raise BadInput(
                f"{self.path} is truncated: {self._index.problem}, {len(self._index)} frames are "
                "there; copy the file again"
            )

    def close(self) -> None:
        self._close_decoder()
        if self._container is not None:
            self._container.close()
            self._container = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_container": None, "_pictures": None, "_last": None}

    def _indexed(self) -> PictureIndex:
        if self._index is None:
            self._index = index_pictures(self.path)
        if not self.partial:
            self.check_complete()
        return self._index

    def _close_decoder(self) -> None:
        self._pictures = None
        self._next = 0
        self._last = None

    def _decode(self, frame_id: int) -> Any:
        """Return picture `frame_id`, decoding on or from a key frame before it."""
        index = self._indexed()
        key = bisect_right(index.key_pictures, frame_id) - 1
        key_picture = index.key_pictures[key] if key >= 0 else 0
        is_ahead = self._pictures is not None and self._next <= frame_id
        if not is_ahead or key_picture > self._next:
            self._begin_at(key)
        picture = self._forward_to(frame_id)
        while picture is None:
            # the container went to a later packet than asked for, or this key frame does not stand
            # alone
            if key == FILE_START:
                raise BadValue(
                    f"{self.path}: frame {frame_id} does not come out of the decoder; convert the "
                    "video"
                )
            key -= 1
            self._begin_at(key)
            picture = self._forward_to(frame_id)
        return picture

    def _begin_at(self, key: int) -> None:
        """Let decoding begin at key picture number `key`; FILE_START: with the first packet."""
        index = self._indexed()
        self._close_decoder()
        if key == FILE_START:
            # opened anew: not every container can seek back to its first packet
            self.close()
        if self._container is None:
            self._container = open_container(self.path)
        stream = self._container.streams.video[0]
        if key == FILE_START:
            numbered = enumerate(video_packets(self._container, stream))
            packets: Iterator[tuple[int, Any]] = islice(numbered, index.packet_count)
            self._next = 0
        else:
            key_picture = index.key_pictures[key]
            packet_number = index.packets[key_picture]
            seek_time = index.seek_times[packet_number]
            self._container.seek(seek_time, stream=stream, backward=True)
            packets = self._packets_from(packet_number, stream)
            self._next = key_picture
        # Both mean the start: a file may begin with its first key picture.
        self._errors = [] if key <= 0 else None
        decoded = numbered_pictures(self._container, stream, packets, self._errors)
        self._pictures = enumerate(decoded) if index.counted else _by_packet(decoded)

    def _packets_from(self, first: int, stream: Any) -> Iterator[tuple[int, Any]]:
        """Read on to packet number `first`, and from there on; nothing if it has passed."""
        number_of_key = self._indexed().number_of_key
        has_begun = False
        for packet in video_packets(self._container, stream):
            number = number_of_key.get(packet_key(self._container, packet))
            if not has_begun:
                if number is None or number < first:
                    continue
                if number > first:
                    return
                has_begun = True
                next_number = first
            if next_number == self._indexed().packet_count:
                return
            # after the first one packets follow each other, also those without a key of their own
            yield next_number, packet
            next_number += 1

    def _forward_to(self, frame_id: int) -> Any | None:
        """Decode until picture `frame_id` comes; None if it has passed or never comes."""
        index = self._indexed()
        if self._pictures is None:
            return None
        wanted = frame_id if index.counted else index.packets[frame_id]
        for number, picture in self._pictures:
            if number == wanted:
                self._next = frame_id + 1
                return picture
            if not index.counted and self._has_passed(number, frame_id):
                break
        self._pictures = None
        return None

    def _has_passed(self, packet_number: int, frame_id: int) -> bool:
        picture_number = self._indexed().picture_of_packet.get(packet_number)
        return picture_number is not None and picture_number > frame_id


def _by_packet(pictures: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    for picture in pictures:
        if picture.pts is not None:
            yield picture.pts, picture
