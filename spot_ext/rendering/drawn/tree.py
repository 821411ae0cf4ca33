"""The rendered set on disk: a GOT-10k tree with a stamp that says which settings made it and
whether it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import simplejpeg

from ltr.admin.errors import BadValue
from ltr.data.seeding import generator
from ltr.io.files import write_text
from ltr.parallel.cores import usable_cores
from spot_ext.rendering.drawn.scene import FrameTruth, Scene
from spot_ext.rendering.got10k_layout import (
    VideoDescription,
    frame_file,
    label_files,
    list_text,
)
from spot_ext.rendering.processes import render_in_processes

VERSION = 1  # raise it whenever the same settings give other pixels, boxes or labels
STAMP = "toy.json"
SPLITS = ("train", "val", "test")
JPEG_QUALITY = 90
# Share of the target that is seen; less counts as absent.
ABSENT_BELOW = 0.05
MOST_WORKERS = 8
# A process takes as long to start as about five videos take to render.
VIDEOS_WORTH_A_WORKER = 6
ADVERBS = ("slowly", "normally", "swiftly")
MOTIONS = {
    "ball": "rolling",
    "beast": "walking",
    "bird": "flying",
    "car": "driving",
    "crate": "drifting",
    "fish": "swimming",
    "jelly": "floating",
    "walker": "walking",
}
ROOTS = {
    "beast": "animal",
    "bird": "animal",
    "fish": "animal",
    "jelly": "animal",
    "car": "vehicle",
    "walker": "person",
}

VideoJob = tuple[str, int]  # split, index


@dataclass(frozen=True)
class ToySettings:
    """Decide everything about a toy set: equal settings give equal files."""

    seed: int = 0
    n_train: int = 30
    n_val: int = 10
    n_test: int = 60
    frames_range: tuple[int, int] = (80, 120)  # fewest and most frames of a training video
    held_out_range: tuple[int, int] = (
        36,
        64,
    )  # the same for val and test: shorter, so that there are more of them
    size: tuple[int, int] = (320, 240)  # width, height
    version: int = VERSION

    def __post_init__(self) -> None:
        if (
            min(self.n_train, self.n_val, self.n_test) < 0
            or self.n_train + self.n_val + self.n_test < 1
        ):
            raise BadValue(
                f"toy videos: {self.n_train} train, {self.n_val} val and {self.n_test} test "
                "videos asked, "
                "give counts of 0 or more and at least one video"
            )
        for low, high in (self.frames_range, self.held_out_range):
            if not 2 <= low <= high:
                raise BadValue(
                    f"toy videos: frames {low} to {high}, give at least 2 frames and the smaller "
                    "number first"
                )
        if min(self.size) < 96:
            raise BadValue(
                f"toy videos: size {self.size[0]} x {self.size[1]} is too small for the targets, "
                "give at least 96 x 96 pixels"
            )

    @property
    def splits(self) -> dict[str, int]:
        """Number of videos of each split."""
        return dict(zip(SPLITS, (self.n_train, self.n_val, self.n_test), strict=True))

    def videos(self) -> list[tuple[str, int]]:
        """(split, index) of every video, 0-based."""
        return [(split, index) for split, count in self.splits.items() for index in range(count)]

    def scene(self, split: str, index: int) -> Scene:
        """The video `index` of `split`; length and difficulty are drawn for it alone, whatever the
        other counts.
        """
        draw = generator(self.seed, "toy settings", split, index)
        low, high = self.frames_range if split == "train" else self.held_out_range
        frames = int(draw.integers(low, high + 1))
        # Golden-ratio steps spread the difficulties evenly however many videos there are. The
        # hardest quarter of what a scene can do is left out: a network that learns in minutes would
        # lose every one of those targets at once.
        difficulty = 0.75 * ((0.5 + index * 0.6180339887) % 1.0)
        return Scene(self.seed, split, index, self.size, frames, difficulty)


@dataclass(frozen=True)
class ToyTree:
    """A complete set on disk."""

    root: Path
    settings: ToySettings

    def names(self, split: str) -> list[str]:
        """Names of the videos of a split, as in its list.txt."""
        return [video_name(split, index) for index in range(self.settings.splits[split])]

    def folder(self, split: str, index: int) -> Path:
        """Folder of a video."""
        return self.root / split / video_name(split, index)


def video_name(split: str, index: int) -> str:
    """Name of the 0-based video: `toy_train_0001` is the first of the training split."""
    return f"toy_{split}_{index + 1:04d}"


def render(
    root: str | os.PathLike,
    seed: int = 0,
    splits: Mapping[str, int] | None = None,
    size: tuple[int, int] = (320, 240),
    frames: tuple[int, int] | None = None,
    *,
    workers: int | None = None,
    on_video: Callable[[int, int], None] | None = None,
) -> ToyTree:
    """Render the toy set below `root`, from the start, replacing a toy set that is there.

    Arguments:
        splits: videos in each of train, val and test (a split left out gets none); None means 30,
            10 and 60.
        size: width and height of the frames; frames: fewest and most frames of a video (None: those
            of `ToySettings`).
        workers: processes; None means one for each core up to 8, fewer for few videos. The files do
            not depend on it.
        on_video: called with (videos done, videos in total) after each video.
    Raises BadValue for settings that cannot be rendered and for a folder that holds something else
    than a toy set.

    """
    settings = _settings(seed, splits, size, frames)
    root = Path(root)
    _clear(root)
    return _complete(root, settings, workers, on_video)


def ensure(
    root: str | os.PathLike,
    seed: int = 0,
    splits: Mapping[str, int] | None = None,
    size: tuple[int, int] = (320, 240),
    frames: tuple[int, int] | None = None,
    *,
    workers: int | None = None,
    on_video: Callable[[int, int], None] | None = None,
) -> ToyTree:
    """Return the toy set below `root`; render what of it is not there yet (arguments and errors as
    `render`).

    A complete set with the same settings is returned at once; one whose rendering was interrupted
    is continued; one with other settings, or of an older version of this renderer, is replaced.
    """
    settings = _settings(seed, splits, size, frames)
    root = Path(root)
    stamp = _read_stamp(root)
    if stamp != {**_plain(settings), "complete": True}:
        if stamp != {**_plain(settings), "complete": False}:
            _clear(root)
        return _complete(root, settings, workers, on_video)
    return ToyTree(root, settings)


def _settings(
    seed: int,
    splits: Mapping[str, int] | None,
    size: tuple[int, int],
    frames: tuple[int, int] | None,
) -> ToySettings:
    settings = ToySettings(seed, size=_pair(size))
    if frames is not None:
        settings = replace(settings, frames_range=_pair(frames), held_out_range=_pair(frames))
    if splits is None:
        return settings
    if unknown := set(splits) - set(SPLITS):
        raise BadValue(
            f"toy videos: unknown split '{sorted(unknown)[0]}', choose from {', '.join(SPLITS)}"
        )
    return replace(
        settings,
        n_train=splits.get("train", 0),
        n_val=splits.get("val", 0),
        n_test=splits.get("test", 0),
    )


def _pair(values: Sequence[int]) -> tuple[int, int]:
    first, second = values
    return (first, second)


def _plain(settings: ToySettings) -> dict:
    return json.loads(json.dumps(asdict(settings)))  # tuples as JSON gives them back


def _read_stamp(root: Path) -> dict | None:
    try:
        return json.loads((root / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _clear(root: Path) -> None:
    """Remove the toy set below `root`; refuse a folder in which anything else lies."""
    if not root.exists():
        return
    if not root.is_dir():
        raise BadValue(f"toy videos: '{root}' is a file, choose a folder")
    known = {STAMP, *SPLITS}
    strange = [
        p for p in root.iterdir() if p.name not in known and not p.name.startswith(f".{STAMP}")
    ]
    strange += [
        p
        for split in SPLITS
        for p in root.glob(f"{split}/*")
        if not p.name.startswith((f"toy_{split}_", f".toy_{split}_", ".list.txt"))
        and p.name != "list.txt"
    ]
    if strange:
        raise BadValue(
            f"toy videos: '{strange[0]}' is not part of a toy set, "
            f"choose an empty folder instead of '{root}'"
        )
    (root / STAMP).unlink(
        missing_ok=True
    )  # first: what is left after an interruption counts as nothing
    for split in SPLITS:
        if (root / split).exists():
            shutil.rmtree(root / split)


def _complete(
    root: Path,
    settings: ToySettings,
    workers: int | None,
    on_video: Callable[[int, int], None] | None,
) -> ToyTree:
    """Write the videos that are missing, then the lists, then the stamp."""
    write_text(root / STAMP, json.dumps({**_plain(settings), "complete": False}, indent=1) + "\n")
    tree, videos = ToyTree(root, settings), settings.videos()
    missing = [video for video in videos if not tree.folder(*video).is_dir()]
    for done, _ in enumerate(
        _written(tree, missing, workers), start=len(videos) - len(missing) + 1
    ):
        if on_video:
            on_video(done, len(videos))
    for split in SPLITS:
        write_text(root / split / "list.txt", list_text(tree.names(split)))
        for draft in root.glob(f"{split}/.toy_{split}_*.tmp"):  # of a process that was killed
            shutil.rmtree(draft, ignore_errors=True)
    write_text(root / STAMP, json.dumps({**_plain(settings), "complete": True}, indent=1) + "\n")
    return tree


def _written(tree: ToyTree, videos: list[VideoJob], workers: int | None) -> Iterator[VideoJob]:
    """Write these videos; yield each when it is there."""
    if workers is None:
        workers = min(usable_cores(), MOST_WORKERS, len(videos) // VIDEOS_WORTH_A_WORKER)
    if workers > 1:
        yield from render_in_processes(partial(_write_job, tree), videos, workers)
        return
    for video in videos:
        _write_job(tree, video)
        yield video


def _write_job(tree: ToyTree, video: VideoJob) -> None:
    split, index = video
    _write_video(tree, split, index)


def _write_video(tree: ToyTree, split: str, index: int) -> None:
    """Render one video into a draft folder and move it to its place when it is whole."""
    folder = tree.folder(split, index)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        draft.mkdir(parents=True, exist_ok=True)
        scene = tree.settings.scene(split, index)
        truths = []
        for frame_id, frame in enumerate(scene.frames()):
            jpeg = simplejpeg.encode_jpeg(frame.image, quality=JPEG_QUALITY, colorsubsampling="420")
            frame_file(draft, frame_id).write_bytes(jpeg)
            truths.append(frame.truth)
        for name, text in labels(scene, truths).items():
            (draft / name).write_text(text, encoding="utf-8")
        draft.rename(folder)
    except OSError:
        if (
            not folder.is_dir()
        ):  # else another process was faster and has swept ours away; its files are the same
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def labels(scene: Scene, truths: list[FrameTruth]) -> dict[str, str]:
    """Return the text of each label file of a video by its name."""
    adverb = ADVERBS[min(int(scene.difficulty * len(ADVERBS)), len(ADVERBS) - 1)]
    description = VideoDescription(
        scene.family,
        MOTIONS[scene.family],
        ROOTS.get(scene.family, "object"),
        adverb,
        (scene.width, scene.height),
    )
    return label_files(
        [truth.box_xywh for truth in truths],
        [truth.visible for truth in truths],
        [truth.visible < ABSENT_BELOW for truth in truths],
        [truth.cut for truth in truths],
        description,
    )
