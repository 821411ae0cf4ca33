"""ImageNet VID: every track of an object in its training videos is a sequence."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from ltr.data.image_loader import default_image_loader
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.file_video_dataset import FileVideoDataset, by_class
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root
from ltr.dataset.sequence_index import SequenceIndex, index_file
from ltr.frames.names import natural_key

# Frame number, class, box xywh, whether the target can be seen.
_Seen = tuple[int, str, list[float], bool]


@dataclass(frozen=True)
class Tracklet:
    """A sequence: frames `start_frame` on of a video, and where its annotation is in the video's
    record.
    """

    set_id: int
    vid_id: int
    class_name: str
    start_frame: int
    video: int
    first: int  # rows [first, stop) of the record
    stop: int


@training_set()
class ImagenetVID(FileVideoDataset):
    """Contiguous runs of a track id in `Annotations/VID/train`, with `Data/VID/train`, below `root`
    or `imagenet_dir` of local.py. `sequence_list` holds a `Tracklet` each.

    `min_length` leaves out shorter runs; `max_target_area` those whose first box's side, as the
    square root of its share of the image, reaches that value. A target is visible where it has an
    area and is not marked occluded. Reading the million annotation files takes minutes, once (see
    `ltr.dataset.sequence_index`); nothing is written into the data set.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = default_image_loader,
        min_length: int = 0,
        max_target_area: float = 1,
    ):
        pattern = "Annotations/VID/train/"
        super().__init__(
            "imagenetvid",
            find_root("ImageNet VID", "imagenet_dir", pattern, pattern, root),
            image_loader,
        )
        base = self.root / "Annotations" / "VID" / "train"
        folders = (path for path in base.glob("*/*") if path.is_dir())
        self._videos = sorted(
            (path.relative_to(base).as_posix() for path in folders), key=natural_key
        )
        self._folders = [base / name for name in self._videos]
        self.prepare()
        self.sequence_list = [
            tracklet
            for video in range(len(self._videos))
            for tracklet in self._tracklets(video, min_length, max_target_area)
        ]
        if not self.sequence_list:
            raise BadValue(
                f"ImageNet VID: {base} holds no track of {min_length} frames; correct "
                "imagenet_dir or min_length"
            )
        self._by_class = by_class([tracklet.class_name for tracklet in self.sequence_list])
        self.class_list = list(self._by_class)

    def prepare(self) -> None:
        self._opened()

    def _opened(self) -> SequenceIndex:
        if self._index is None:
            self._index = SequenceIndex.open(
                index_file("imagenetvid", self.root),
                self._videos,
                [(folder,) for folder in self._folders],
                self._parse,
                "ImageNet VID",
            )
        return self._index

    def has_class_info(self) -> bool:
        return True

    def has_occlusion_info(self) -> bool:
        return True

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self._by_class[class_name]

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        tracklet = self.sequence_list[seq_id]
        return (
            self.root
            / "Data"
            / "VID"
            / "train"
            / f"ILSVRC2015_VID_train_{tracklet.set_id:04d}"
            / f"ILSVRC2015_train_{tracklet.vid_id:08d}"
            / f"{tracklet.start_frame + frame_id:06d}.JPEG"
        )

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        start = self.sequence_list[seq_id].start_frame
        return self._frames.read(
            self.frame_path(seq_id, int(frame_id)), start + int(frame_id), self.image_loader
        )

    def get_sequence_length(self, seq_id: int) -> int:
        return self.sequence_list[seq_id].stop - self.sequence_list[seq_id].first

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        return np.array(self._record(seq_id)["bbox"][list(frame_ids)]).reshape(-1, 4)

    def meta(self, seq_id: int) -> OrderedDict:
        """The class under the usual name and, as pytracking has it here, under `object_class`."""
        name = self.sequence_list[seq_id].class_name
        return OrderedDict([*object_meta(object_class_name=name).items(), ("object_class", name)])

    def _record(self, seq_id: int) -> dict[str, np.ndarray]:
        tracklet = self.sequence_list[seq_id]
        record = self._video(tracklet.video)
        return {key: record[key][tracklet.first : tracklet.stop] for key in ("bbox", "visible")}

    def _video(self, video: int) -> dict[str, np.ndarray]:
        record = self._opened()[video]
        return self._parse(video) if record is None else record

    def _tracklets(self, video: int, min_length: int, max_target_area: float) -> list[Tracklet]:
        record = self._opened()[video]
        if record is None:
            return []
        set_id, vid_id = (int(part.rsplit("_", 1)[1]) for part in self._videos[video].split("/"))
        names = record["classes"].tobytes().decode().split("\n")
        bounds = np.cumsum([0, *record["lengths"]]).tolist()
        found = []
        for k, name in enumerate(names if bounds[-1] else ()):
            side = np.sqrt(record["bbox"][bounds[k], 2:].prod() / record["size"].prod())
            if bounds[k + 1] - bounds[k] >= min_length and side < max_target_area:
                found.append(
                    Tracklet(
                        set_id,
                        vid_id,
                        name,
                        int(record["starts"][k]),
                        video,
                        bounds[k],
                        bounds[k + 1],
                    )
                )
        return found

    def _parse(self, video: int) -> dict[str, np.ndarray]:
        """All tracks of a video: `bbox` and `visible` one after another, `lengths`, `starts`,
        `classes`; `size` w, h.
        """
        tracks: dict[str, list[_Seen]] = {}
        size = (0, 0)
        for file in sorted(self._folders[video].glob("*.xml")):
            size, objects = _read(file)
            for track, class_name, box, in_sight in objects:
                tracks.setdefault(track, []).append((int(file.stem), class_name, box, in_sight))
        runs = [run for track in tracks.values() for run in _contiguous(track)]
        runs.sort(key=lambda run: run[0][0])
        boxes = np.array([seen[2] for run in runs for seen in run], np.float32).reshape(-1, 4)
        visible = np.array([seen[3] for run in runs for seen in run], bool) & (
            boxes[:, 2:] > 0
        ).all(1)
        return {
            "bbox": boxes,
            "visible": visible.astype(np.uint8),
            "size": np.array(size, np.int32),
            "lengths": np.array([len(run) for run in runs], np.int32),
            "starts": np.array([run[0][0] for run in runs], np.int32),
            "classes": np.frombuffer("\n".join(run[0][1] for run in runs).encode(), np.uint8),
        }


def _contiguous(track: list[_Seen]) -> list[list[_Seen]]:
    """A track cut where frames are missing."""
    runs: list[list[_Seen]] = []
    for seen in track:
        if runs and runs[-1][-1][0] + 1 == seen[0]:
            runs[-1].append(seen)
        else:
            runs.append([seen])
    return runs


def _read(file: Path) -> tuple[tuple[int, int], list[tuple[str, str, list[float], bool]]]:
    """Width and height, and of every object its track id, class, box xywh and whether it can be
    seen.
    """
    try:
        root = ElementTree.parse(file).getroot()
        size = int(_text(root, "size/width")), int(_text(root, "size/height"))
        objects = []
        for node in root.iter("object"):
            x1, y1, x2, y2 = (
                float(_text(node, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
            )
            objects.append(
                (
                    _text(node, "trackid"),
                    _text(node, "name"),
                    [x1, y1, x2 - x1, y2 - y1],
                    _text(node, "occluded").strip() == "0",
                )
            )
        return size, objects
    except (ElementTree.ParseError, ValueError) as error:
        raise BadValue(
            f"ImageNet VID: {file} is no annotation of this data set ({error}); copy it again"
        ) from error


def _text(node: ElementTree.Element, path: str) -> str:
    """Return the text of the element at `path` below a node; ValueError where there is none."""
    found = node.findtext(path)
    if found is None:
        raise ValueError(f"'{path}' is missing")
    return found
