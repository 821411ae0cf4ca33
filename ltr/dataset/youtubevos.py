"""YouTube-VOS 2018 and 2019."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root, log, read_names, spec_file
from ltr.dataset.vos_base import VOSDataset

SPLITS = ("train", "valid", "test", "jjtrain", "jjvalid")
CLEANUPS = ("starts", "aspect")
_ASPECTS = 1.45, 1.9
_EVERY = 12  # the rule without lists: about as many of the videos as the published list holds out


@training_set()
class YouTubeVOS(VOSDataset):
    """YouTube-VOS: `<version>/<split>/{JPEGImages,Annotations,meta.json}` below `root` or
    `youtubevos_dir` of local.py.

    'jjtrain' and 'jjvalid' divide the train split by pytracking's `youtubevos_jj*.txt` (see
    ltr/data_specs); without them every 12th sequence is for validation. `all_frames` takes the
    frames of `<split>_all_frames`, of which every fifth is annotated. `sequences` keeps these only.
    For `multiobj` and `vis_threshold` see `VOSDataset`.

    `cleanup` is a list of: 'starts', which lets an object start on the first frame that shows its
    mask rather than where meta.json says (a few objects of the train split start late); 'aspect',
    which leaves out videos whose width is not 1.45 to 1.9 times their height.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        version: str = "2019",
        split: str = "train",
        cleanup: Sequence[str] | None = None,
        all_frames: bool = False,
        sequences: Sequence[str] | None = None,
        multiobj: bool = True,
        vis_threshold: int = 10,
        image_loader: Callable = jpeg4py_loader,
    ):
        self.cleanup = [cleanup] if isinstance(cleanup, str) else list(cleanup or ())
        for value, known, what in (
            (split, SPLITS, "split"),
            *((c, CLEANUPS, "cleanup") for c in self.cleanup),
        ):
            if value not in known:
                raise BadValue(
                    f"YouTubeVOS: {what} '{value}' is not known{suggestion(value, known)}; "
                    f"choose among {', '.join(known)}"
                )
        root = find_root("YouTube-VOS", "youtubevos_dir", f"{version}/", f"folder {version}/", root)
        self.version, self.split, self.all_frames = str(version), split, all_frames
        part = "train" if split.startswith("jj") else split
        base = root / self.version / part
        self._objects = _read_meta(base / "meta.json")
        images = (
            root / self.version / f"{part}_all_frames" / "JPEGImages"
            if all_frames
            else base / "JPEGImages"
        )
        if not images.is_dir():
            raise MissingFile(
                f"YouTube-VOS: there is no folder {images}; get this part of the data set"
            )
        super().__init__(
            f"YouTubeVOS/{version}/{split}",
            "YouTubeVOS",
            root,
            _divided(split, sorted(self._objects)),
            images,
            base / "Annotations",
            sequences,
            multiobj,
            vis_threshold,
            image_loader,
        )
        if "aspect" in self.cleanup:
            self._keep_usual_shapes()

    def object_starts(self, video: str) -> dict[str, str]:
        if "starts" in self.cleanup:
            return {}
        objects = self._objects[video].get("objects", {})
        return {name: entry["frames"][0] for name, entry in objects.items() if entry.get("frames")}

    def _keep_usual_shapes(self) -> None:
        shapes = [self._video(i).shape for i in range(len(self.videos))]
        kept = [
            v
            for v, (h, w) in zip(self.videos, shapes, strict=True)
            if _ASPECTS[0] <= w / h <= _ASPECTS[1]
        ]
        log.info(
            "%s: %d of %d videos have a width of %s to %s times their height",
            self.name,
            len(kept),
            len(shapes),
            *_ASPECTS,
        )
        self.videos, self._index = kept, None
        self._list_sequences()


def _read_meta(file: Path) -> dict[str, dict]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["videos"]
    except FileNotFoundError:
        raise MissingFile(
            f"YouTube-VOS: there is no {file}; get this split, or correct youtubevos_dir in "
            "local.py"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadValue(
            f"{file} is not the meta.json of YouTube-VOS ({error!r}); copy it again"
        ) from None


def _divided(split: str, videos: list[str]) -> list[str]:
    if not split.startswith("jj"):
        return videos
    file = spec_file(f"youtubevos_{split}.txt")
    if file is not None:
        log.info("YouTube-VOS %s: the sequences listed in %s", split, file)
        return read_names(file)
    held_out = range(_EVERY - 1, len(videos), _EVERY) or [
        len(videos) - 1
    ]  # of a short list the last
    kept = [name for i, name in enumerate(videos) if (i in held_out) == (split == "jjvalid")]
    log.warning(
        "YouTube-VOS %s: no youtubevos_%s.txt in data_specs_dir, so every %dth sequence is for "
        "validation: %d of %d, "
        "not the published split",
        split,
        split,
        _EVERY,
        len(kept),
        len(videos),
    )
    return kept
