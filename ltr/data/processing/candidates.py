"""Processing of KeepTrack: two views with target candidates, and which candidate of one is which of
the other.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data.processing.base import BaseProcessing, check_choice
from ltr.data.processing_utils import sample_target_from_crop_region, size_of

NO_MATCH, UNKNOWN = -1, -2  # in gt_matches
_MODES = ("self_sup", "partial_sup", "self_and_partial_sup")
_APART = 2.0  # cells between a made-up candidate and the others
_TRIES = 50  # of a place for one


@dataclass
class _View:
    """A search area and the candidates in it; the same identity in both views is the same
    object.
    """

    image: np.ndarray  # (h, w, 3), the search area at the output size
    coords: list[tuple[float, float]] = field(default_factory=list)  # row, column on the score map
    scores: list[float] = field(default_factory=list)
    identities: list[object] = field(default_factory=list)  # None: not known


class TargetCandiateMatchingProcessing(BaseProcessing):
    """Two views of a search area, their target candidates, and the matching between them.

    A sample holds lists with one entry a frame: `images`, `search_area_box` (xywh),
    `target_candidate_coords` (N, 2) rows and columns on a score map of `score_map_sz`,
    `target_candidate_scores` (N,), and for two frames `target_candidate_index`, the candidate that
    is the target (-1: none).

    'self_sup' shows one frame twice, the second time with `img_aug_transform`, and with
    `enable_search_area_aug` moved by up to `search_area_jitter_value` px of the crop; all matches
    are known. 'partial_sup' shows two frames; only the target's match is known.
    'self_and_partial_sup' does what the sampler's `sup_mode` says.

    Each view gets `num_target_candidates` candidates (None: as many as there are): the highest
    scores, the target in any case, and made-up ones with low scores that match nothing, or with
    `real_target_candidates_only` none of these.

    Gives for view v in 0, 1: `img_cropped<v>` (3, h, w), `img_shape<v>` (2,) height and width,
    `candidate_img_coords<v>` (N, 2) in crop pixels, `candidate_tsm_coords<v>` (N, 2) on the score
    map, rows and columns both, `candidate_tsm_scores<v>` (N,), `gt_matches<v>` (N,) the index in
    the other view, -1 for none, -2 for unknown; and `gt_assignment` (N0, N1), 1 where candidates
    match.
    """

    def __init__(
        self,
        output_sz,
        num_target_candidates: int | None = None,
        mode: str = "self_sup",
        img_aug_transform: Callable | None = None,
        score_map_sz: tuple[int, int] | None = None,
        enable_search_area_aug: bool = True,
        search_area_jitter_value: float = 100,
        real_target_candidates_only: bool = False,
        *args,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        check_choice("TargetCandiateMatchingProcessing", "mode", mode, _MODES)
        self.output_sz = tuple(int(size) for size in size_of(output_sz))
        self.num_target_candidates = num_target_candidates
        self.mode = mode
        self.img_aug_transform = img_aug_transform
        self.score_map_sz = (23, 23) if score_map_sz is None else tuple(score_map_sz)
        self.enable_search_area_aug = enable_search_area_aug
        self.search_area_jitter_value = search_area_jitter_value
        self.real_target_candidates_only = real_target_candidates_only

    def __call__(self, data: TensorDict) -> TensorDict:
        """See the class; the sample's other entries, such as `dataset`, are kept."""
        mode = (
            data.get("sup_mode", "self_sup") if self.mode == "self_and_partial_sup" else self.mode
        )
        if mode == "partial_sup" and len(data["images"]) != 2:
            raise BadValue(
                "TargetCandiateMatchingProcessing: 'partial_sup' takes two frames, not "
                f"{len(data['images'])}"
            )
        views = (
            self._same_frame_twice(data)
            if mode == "self_sup"
            else [self._view(data, i, mode) for i in (0, 1)]
        )
        for view in views:
            self._adjust_number(view)
        out = TensorDict((key, data[key]) for key in ("dataset", "sup_mode") if key in data)
        for number, view in enumerate(views):
            out.update((f"{key}{number}", value) for key, value in self._tensors(view).items())
        matches = [_matches(*views), _matches(*reversed(views))]
        assignment = torch.zeros(len(matches[0]), len(matches[1]))
        known = matches[0] >= 0
        assignment[known.nonzero().flatten(), matches[0][known]] = 1
        out.update(gt_matches0=matches[0], gt_matches1=matches[1], gt_assignment=assignment)
        return out

    def _view(
        self, data: TensorDict, frame: int, mode: str, shift: tuple[int, int] = (0, 0)
    ) -> _View:
        """The search area of a frame, moved by `shift` (x, y) px of the frame, with the candidates
        still in it.
        """
        x, y, w, h = (round(float(value)) for value in data["search_area_box"][frame])
        box = x + shift[0], y + shift[1], w, h
        view = _View(sample_target_from_crop_region(data["images"][frame], box, self.output_sz))
        down, across = (
            h / (self.score_map_sz[0] - 1),
            w / (self.score_map_sz[1] - 1),
        )  # frame pixels a cell
        target = int(data["target_candidate_index"][frame]) if mode == "partial_sup" else None
        found = zip(
            np.asarray(data["target_candidate_coords"][frame], float).reshape(-1, 2).tolist(),
            np.asarray(data["target_candidate_scores"][frame], float).ravel().tolist(),
            strict=True,
        )
        for index, ((row, column), score) in enumerate(found):
            row, column = row - shift[1] / down, column - shift[0] / across
            if 0 <= row <= self.score_map_sz[0] - 1 and 0 <= column <= self.score_map_sz[1] - 1:
                view.coords.append((row, column))
                view.scores.append(score)
                view.identities.append(
                    index if target is None else "target" if index == target else None
                )
        return view

    def _same_frame_twice(self, data: TensorDict) -> list[_View]:
        reach = self.search_area_jitter_value if self.enable_search_area_aug else 0
        scale_x, scale_y = (
            float(side) / size
            for side, size in zip(data["search_area_box"][0][2:], self.output_sz, strict=True)
        )
        # Whole pixels, as crops are cut.
        shift_x = int(random.uniform(-reach, reach) * scale_x)
        shift_y = int(random.uniform(-reach, reach) * scale_y)
        shift = (shift_x, shift_y)
        views = [self._view(data, 0, "self_sup"), self._view(data, 0, "self_sup", shift)]
        if self.img_aug_transform is not None:
            views[1].image = self.img_aug_transform(image=views[1].image)
        return views

    def _adjust_number(self, view: _View) -> None:
        """Leave out the lowest scores, or make up candidates, until there are as many as wanted."""
        if self.num_target_candidates is None:
            return
        order = sorted(
            range(len(view.scores)), key=lambda i: (view.identities[i] != "target", -view.scores[i])
        )
        for name in ("coords", "scores", "identities"):
            values = getattr(view, name)
            setattr(view, name, [values[i] for i in sorted(order[: self.num_target_candidates])])
        lowest = min(view.scores, default=1.0)
        while (
            len(view.scores) < self.num_target_candidates and not self.real_target_candidates_only
        ):
            view.coords.append(self._free_place(view.coords))
            view.scores.append(random.uniform(0, lowest))
            view.identities.append(object())  # like no other

    def _free_place(self, taken: list[tuple[float, float]]) -> tuple[float, float]:
        for _ in range(_TRIES):
            rows, columns = self.score_map_sz
            place = float(random.randrange(rows)), float(random.randrange(columns))
            if all(
                max(abs(place[0] - row), abs(place[1] - column)) >= _APART for row, column in taken
            ):
                break
        return place

    def _cell_size(self) -> tuple[float, float]:
        """Crop pixels a row and a column of the score map: its first and last cells lie on the
        crop's borders.
        """
        return self.output_sz[1] / (self.score_map_sz[0] - 1), self.output_sz[0] / (
            self.score_map_sz[1] - 1
        )

    def _tensors(self, view: _View) -> dict[str, Tensor]:
        coords = torch.tensor(view.coords, dtype=torch.float32).reshape(-1, 2)
        return {
            "img_cropped": self.transform["train"](image=view.image),
            "img_shape": torch.tensor(self.output_sz[::-1]),
            "candidate_img_coords": coords * torch.tensor(self._cell_size()),
            "candidate_tsm_coords": coords,
            "candidate_tsm_scores": torch.tensor(view.scores, dtype=torch.float32),
        }


TargetCandidateMatchingProcessing = (
    TargetCandiateMatchingProcessing  # as it should be spelled; recipes use the other
)


def _matches(view: _View, other: _View) -> Tensor:
    indices = {
        identity: index for index, identity in enumerate(other.identities) if identity is not None
    }
    return torch.tensor(
        [
            UNKNOWN if identity is None else indices.get(identity, NO_MATCH)
            for identity in view.identities
        ],
        dtype=torch.int64,
    )
