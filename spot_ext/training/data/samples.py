"""Training samples, and the batches made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.data.crops import CropWindow
from ltr.parallel.distributed import gather_rows, get_world_size


@dataclass(frozen=True)
class Crop:
    """A square crop with the colour that stands outside its frame."""

    image: np.ndarray  # (S, S, 3) uint8 RGB
    fill: np.ndarray  # (3,) float32, mean colour of the whole frame in grey levels
    window: CropWindow
    frame_size: tuple[int, int]  # width, height


@dataclass(frozen=True)
class LabelledPair:
    """Template and search region of one video, both from key frames."""

    path: int  # index in the store
    template: Crop
    search: Crop
    box_xywh: np.ndarray  # (4,) in search crop pixels, may reach beyond the crop


@dataclass(frozen=True)
class Triplet:
    """An unlabelled frame, seen from a key frame by the teacher and from a relay frame by the
    student.
    """

    path: int  # index in the store
    frame_id: int
    frame_size: tuple[int, int]  # width, height
    key: Crop  # template for the teacher
    unlabelled: Crop  # search region for the teacher, not jittered
    relay: Crop  # template for the student
    augmented: Crop  # search region for the student: the same frame, jittered
    label_xywh: np.ndarray | None  # (4,) frame pixels when the frame turns out to be a key frame


@dataclass(frozen=True)
class _Movable:
    """Moves every tensor of a dataclass, and of the batches inside it, to a device; copies overlap
    with computation.
    """

    def to(self, device: torch.device | str, non_blocking: bool = True):
        changes = {
            f.name: value.to(device, non_blocking=non_blocking)
            if isinstance(value, (Tensor, _Movable))
            else value
            for f in dataclasses.fields(self)
            for value in [getattr(self, f.name)]
        }
        return dataclasses.replace(self, **changes)

    def pin_memory(self):
        """A copy in pinned memory, for which a DataLoader with `pin_memory` looks; only such copies
        overlap.
        """
        changes = {
            f.name: value.pin_memory()
            for f in dataclasses.fields(self)
            for value in [getattr(self, f.name)]
            if isinstance(value, (Tensor, _Movable))
        }
        return dataclasses.replace(self, **changes)

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor, those of the batches inside it, too."""
        for value in (getattr(self, f.name) for f in dataclasses.fields(self)):
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, _Movable):
                yield from value.tensors()


def all_gather_batch(rows):
    """A dataclass of tensors, or of such dataclasses, with the rows of all processes; those of
    process 0 come first.
    """
    if get_world_size() == 1:
        return rows
    changes = {
        f.name: all_gather_batch(value) if dataclasses.is_dataclass(value) else gather_rows(value)
        for f in dataclasses.fields(rows)
        for value in [getattr(rows, f.name)]
        if isinstance(value, Tensor) or dataclasses.is_dataclass(value)
    }
    return dataclasses.replace(rows, **changes)


@dataclass(frozen=True)
class Windows(_Movable):
    """Crop windows of a batch; the tensor form of `CropWindow`."""

    centers: Tensor  # (B, 2) float64 frame pixels
    scales: Tensor  # (B, 1) float64 crop pixels per frame pixel
    out_size: int

    @staticmethod
    def stack(windows: list[CropWindow]) -> Windows:
        """Collect windows of equal output size."""
        return Windows(
            torch.tensor([[w.center_x, w.center_y] for w in windows], dtype=torch.float64),
            torch.tensor([[w.scale] for w in windows], dtype=torch.float64),
            windows[0].out_size,
        )

    def to_frame(self, boxes_xywh: Tensor) -> Tensor:
        """Map crop boxes (B, 4) to frame pixels, float64."""
        return self._map(
            boxes_xywh.double(), 1 / self.scales, (self.out_size - 1) / 2, self.centers
        )

    def to_crop(self, boxes_xywh: Tensor) -> Tensor:
        """Map frame boxes (B, 4) to crop pixels, float64."""
        return self._map(boxes_xywh.double(), self.scales, self.centers, (self.out_size - 1) / 2)

    @staticmethod
    def _map(
        boxes: Tensor, scale: Tensor, origin: Tensor | float, target: Tensor | float
    ) -> Tensor:
        size = boxes[:, 2:] * scale
        return torch.cat(
            [(boxes[:, :2] + boxes[:, 2:] / 2 - origin) * scale + target - size / 2, size], 1
        )


@dataclass(frozen=True)
class PairBatch(_Movable):
    """B labelled pairs."""

    paths: Tensor  # (B,) int64
    templates: Tensor  # (B, 3, T, T) uint8
    searches: Tensor  # (B, 3, S, S) uint8
    boxes_xywh: Tensor  # (B, 4) float32 search crop pixels

    def __len__(self) -> int:
        return len(self.templates)


@dataclass(frozen=True)
class TripletBatch(_Movable):
    """B unlabelled triplets; see `Triplet`."""

    paths: Tensor  # (B,) int64
    frame_ids: Tensor  # (B,) int64
    frame_sizes: Tensor  # (B, 2) float64 width, height
    keys: Tensor  # (B, 3, T, T) uint8
    unlabelled: Tensor  # (B, 3, S, S) uint8
    unlabelled_windows: Windows
    relays: Tensor  # (B, 3, T, T) uint8
    augmented: Tensor  # (B, 3, S, S) uint8
    augmented_fills: Tensor  # (B, 3) float32
    augmented_windows: Windows
    labels_xywh: Tensor  # (B, 4) float64 frame pixels, NaN where the frame has no label

    def __len__(self) -> int:
        return len(self.paths)

    def without_teachers_crops(self) -> TripletBatch:
        """Return what is needed once pseudo-labels are found."""
        return dataclasses.replace(self, keys=self.keys[:0], unlabelled=self.unlabelled[:0])


@dataclass(frozen=True)
class SparseBatch(_Movable):
    """The input of an iteration: labelled pairs, unlabelled triplets, or both."""

    labelled: PairBatch | None
    unlabelled: TripletBatch | None


def _images(crops: list[Crop]) -> Tensor:
    return (
        torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2).contiguous()
    )


def collate(samples: Sequence[LabelledPair | Triplet]) -> SparseBatch:
    """Stack drawn samples, labelled pairs and triplets in any order, each kind in its own batch."""
    pairs = [s for s in samples if isinstance(s, LabelledPair)]
    triplets = [s for s in samples if isinstance(s, Triplet)]
    labelled = (
        PairBatch(
            torch.tensor([p.path for p in pairs]),
            _images([p.template for p in pairs]),
            _images([p.search for p in pairs]),
            torch.from_numpy(np.stack([p.box_xywh for p in pairs])).float(),
        )
        if pairs
        else None
    )
    if not triplets:
        return SparseBatch(labelled, None)
    missing = np.full(4, np.nan)
    unlabelled = TripletBatch(
        paths=torch.tensor([t.path for t in triplets]),
        frame_ids=torch.tensor([t.frame_id for t in triplets]),
        frame_sizes=torch.tensor([t.frame_size for t in triplets], dtype=torch.float64),
        keys=_images([t.key for t in triplets]),
        unlabelled=_images([t.unlabelled for t in triplets]),
        unlabelled_windows=Windows.stack([t.unlabelled.window for t in triplets]),
        relays=_images([t.relay for t in triplets]),
        augmented=_images([t.augmented for t in triplets]),
        augmented_fills=torch.from_numpy(np.stack([t.augmented.fill for t in triplets])).float(),
        augmented_windows=Windows.stack([t.augmented.window for t in triplets]),
        labels_xywh=torch.from_numpy(
            np.stack([missing if t.label_xywh is None else t.label_xywh for t in triplets])
        ),
    )
    return SparseBatch(labelled, unlabelled)
