"""Finds out which picture of a video file is frame i, and where decoding has to begin for it.

Frame i is the i-th picture that a decoder shows. A picture is known by the number of its packet in
the file: the number travels through the decoder in place of the packet's time. So files without
display times (AVI), with repeated ones, or cut in the middle of a group of pictures read alike.

The order of the pictures comes from the display times where these can be trusted, which costs going
through the file without decoding it. Elsewhere the file is decoded once.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue
from ltr.frames.pyav import decoder_errors, import_av, open_container

# Containers that hold the display time of every picture. AVI holds none: FFmpeg derives times from
# the order of the packets there, which is not the order of pictures with B-frames.
TIMED_CONTAINERS = {"mov", "mp4", "matroska", "webm", "mpegts"}
# Containers whose packets are listed or framed, so that they are the same after a seek.
TABLE_CONTAINERS = {"mov", "mp4", "matroska", "webm", "avi"}
# Codecs of which each packet is one picture. VP8, for one, has packets that are never shown.
PICTURE_PER_PACKET = {"h264", "hevc", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "av1", "libdav1d"}
MICROSECONDS = 1_000_000
# Part of a video's duration by which its streams may end early, as containers round and miscount.
TOLERATED_LOSS = 0.05
# A picture's display time may be this many usual intervals short of the duration.
TOLERATED_INTERVALS = 2.5

PacketKey = tuple[int | None, int | None, int | None, int, int]


@dataclass
class PacketTable:
    """The packets of a file's first video stream, by number in the file."""

    keys: list[PacketKey]  # by which a packet is known after a seek
    times: list[int | None]  # pts, in units of the stream's time base
    is_discarded: list[bool]  # gives no picture: it lies before the start of an edit list
    seek_times: list[int | None]
    is_key: list[bool]
    end_seconds: float  # of the last packet of any stream, from the start of the file's clock

    def drop_last(self) -> None:
        """Forget the last packet."""
        for column in (self.keys, self.times, self.is_discarded, self.seek_times, self.is_key):
            del column[-1:]


@dataclass
class PictureIndex:
    """Pictures in the order in which they are shown."""

    packet_count: int  # whole packets: the one that a cut goes through is not given to the decoder
    packets: list[int]  # packet number of each picture
    picture_of_packet: dict[int, int]
    key_pictures: list[int]  # pictures at which decoding may begin, ascending
    number_of_key: dict[PacketKey, int]  # packet numbers, where keys are unique; else empty
    seek_times: dict[int, int]  # of the packets of key pictures
    counted: bool  # pictures are known only by counting from the start
    fps: float
    problem: str | None  # why the file is not complete

    def __len__(self) -> int:
        return len(self.packets)


def index_pictures(path: Path) -> PictureIndex:
    """Index the pictures of a video file. Raises BadValue where it holds none."""
    av = import_av()
    container = open_container(path)
    try:
        stream = container.streams.video[0]
        table = _read_packets(container, stream)
        problem = _missing_end(container, stream, table)
        if problem is not None:
            # a cut goes through a packet, which then is no whole picture
            table.drop_last()
        packets = _order_by_time(container, stream, table)
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else 0.0
    except av.FFmpegError as error:
        raise BadValue(
            f"{path} cannot be read to its end ({error}); copy the video again"
        ) from error
    finally:
        container.close()
    counted = False
    if packets is None:
        packets, counted = _order_by_decoding(path, len(table.keys))
    if not packets:
        raise BadValue(f"{path} holds no frame; give another video")
    return _index(table, packets, counted, fps, problem)


def numbered_pictures(
    container: Any,
    stream: Any,
    packet_numbers: Iterator[tuple[int, Any]],
    errors: list[str] | None = None,
) -> Iterator[Any]:
    """Decode packets; the `pts` of each picture is the number of its packet.

    What the decoder says of damage is added to `errors`, where a list is given.
    """
    for number, packet in packet_numbers:
        packet.pts = number
        if errors is None:
            yield from packet.decode()
            continue
        with decoder_errors() as found:
            pictures = packet.decode()
        errors += found
        yield from pictures
    # a packet of size 0 lets the decoder hand out the pictures that it holds back
    yield from stream.codec_context.decode(None)


def video_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Read the packets of the video stream that a decoder gets; discarded ones are not shown."""
    for packet in container.demux(stream):
        if packet.size:
            yield packet


def packet_key(container: Any, packet: Any) -> PacketKey:
    """Return dts, pts, position, size and checksum: they tell a packet from the others of its file.

    After a seek in a stream without a table of packets, a parser begins within a packet and may
    give the next one the time of another. The checksum of the content is not fooled.
    """
    has_table = not TABLE_CONTAINERS.isdisjoint(container.format.name.split(","))
    checksum = 0 if has_table else zlib.crc32(packet)
    return packet.dts, packet.pts, packet.pos, packet.size, checksum


def _read_packets(container: Any, stream: Any) -> PacketTable:
    table = PacketTable([], [], [], [], [], 0.0)
    for packet in container.demux():
        if not packet.size:
            continue
        table.end_seconds = max(table.end_seconds, _end_seconds(packet))
        if packet.stream.index != stream.index:
            continue
        table.keys.append(packet_key(container, packet))
        table.times.append(packet.pts)
        table.is_discarded.append(bool(packet.is_discard))
        table.seek_times.append(packet.dts if packet.pts is None else packet.pts)
        table.is_key.append(bool(packet.is_keyframe))
    return table


def _end_seconds(packet: Any) -> float:
    time = packet.dts if packet.pts is None else packet.pts
    if time is None or packet.time_base is None:
        return 0.0
    return float((time + (packet.duration or 0)) * packet.time_base)


def _order_by_time(container: Any, stream: Any, table: PacketTable) -> list[int] | None:
    """Return the packets by display time; None where this may not be the decoder's order."""
    codec = stream.codec_context.codec
    if not _has_trusted_times(container, codec) or not table.keys or not table.is_key[0]:
        return None
    time_of_packet: dict[int, int] = {}
    for number, time in enumerate(table.times):
        if time is None:
            return None
        if not table.is_discarded[number]:
            time_of_packet[number] = time
    times = set(time_of_packet.values())
    if len(times) != len(time_of_packet) or not times:
        return None
    # pictures shown before the first key frame may lack what they are predicted from
    first_key_time = table.times[0]
    if first_key_time is None or min(times) < first_key_time:
        return None
    return sorted(time_of_packet, key=time_of_packet.__getitem__)


def _has_trusted_times(container: Any, codec: Any) -> bool:
    # pictures of these codecs come out in the order in which they go in
    if codec.intra_only:
        return True
    is_timed = not TIMED_CONTAINERS.isdisjoint(container.format.name.split(","))
    return is_timed and codec.name in PICTURE_PER_PACKET


def _order_by_decoding(path: Path, packet_count: int) -> tuple[list[int], bool]:
    """Decode the file; returns each picture's packet number, and True if these cannot be told."""
    av = import_av()
    container = open_container(path)
    numbers: list[int | None] = []
    try:
        stream = container.streams.video[0]
        packets = islice(enumerate(video_packets(container, stream)), packet_count)
        for picture in numbered_pictures(container, stream, packets):
            numbers.append(picture.pts)
    except av.FFmpegError as error:
        raise BadValue(
            f"{path} cannot be decoded to its end ({error}); copy the video again"
        ) from error
    finally:
        container.close()
    known = [number for number in numbers if number is not None]
    if len(set(known)) != len(numbers):
        return list(range(len(numbers))), True
    return known, False


def _index(
    table: PacketTable, packets: list[int], counted: bool, fps: float, problem: str | None
) -> PictureIndex:
    key_pictures = []
    seek_times = {}
    number_of_key = {}
    keys_are_unique = max(Counter(table.keys).values(), default=0) == 1
    if keys_are_unique and not counted:
        number_of_key = {key: number for number, key in enumerate(table.keys)}
        for picture, number in enumerate(packets):
            seek_time = table.seek_times[number]
            if table.is_key[number] and seek_time is not None:
                key_pictures.append(picture)
                seek_times[number] = seek_time
    picture_of_packet = {number: picture for picture, number in enumerate(packets)}
    return PictureIndex(
        len(table.keys),
        packets,
        picture_of_packet,
        key_pictures,
        number_of_key,
        seek_times,
        counted,
        fps,
        problem,
    )


def _missing_end(container: Any, stream: Any, table: PacketTable) -> str | None:
    """Tell how much of the promised pictures or duration is missing; None for a complete file.

    AVI and MP4 tell how many packets there are, and FFmpeg makes an AVI's duration fit its size.
    The end of the last packet of any stream is compared with the duration, both from the start
    time: sound may go on after the last picture, and a file may begin at any time. Frame rates say
    nothing here: those of many sound files are not constant.
    """
    declared = stream.frames
    count = len(table.keys)
    if declared and count < (1 - TOLERATED_LOSS) * declared - 1:
        return f"it ends after {count} of {declared} frames"
    if container.duration is None:
        return None
    start = (container.start_time or 0) / MICROSECONDS
    promised = container.duration / MICROSECONDS
    if "matroska" in container.format.name and promised > start:
        # Matroska counts the duration from 0, and not from the start time
        promised -= start
    reached = table.end_seconds - start
    times = sorted(float(time * stream.time_base) for time in table.times if time is not None)
    intervals = sorted(after - before for before, after in pairwise(times))
    if not intervals:
        return None
    usual = intervals[len(intervals) // 2]
    # a picture that stays for long (a screen recording) may be the last one, too
    longest = intervals[-1] if intervals[-1] > TOLERATED_INTERVALS * usual else 0.0
    tolerance = max(TOLERATED_INTERVALS * usual, longest, TOLERATED_LOSS * promised)
    if promised - reached <= tolerance:
        return None
    return f"it ends after {reached:.2f} of {promised:.2f} s"
