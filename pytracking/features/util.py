"""Features made of features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from pytracking.features.featurebase import FeatureBase, FeatureOwner


class Concatenate(FeatureOwner, FeatureBase):
    """Several features of the same stride as one, channel after channel, each with its own pooling
    and normalisation.
    """

    def __init__(
        self,
        features: Sequence[FeatureBase],
        pool_stride: int | None = None,
        normalize_power: float | None = None,
        use_for_color: bool = True,
        use_for_gray: bool = True,
    ):
        super().__init__(
            pool_stride=pool_stride,
            normalize_power=normalize_power,
            use_for_color=use_for_color,
            use_for_gray=use_for_gray,
        )
        self.features = list(features)
        strides = [feature.stride() for feature in self.features]
        if not strides or len(set(strides)) > 1:
            raise BadValue(
                f"Concatenate needs features of one stride, these have {strides or 'no members'}; "
                "set their pool_stride"
            )

    def dim(self) -> int:
        return sum(feature.dim() for feature in self.features)

    def stride(self) -> int:
        return self.pool_stride * self.features[0].stride()

    def extract(self, im: Tensor) -> Tensor:
        return torch.cat([feature.get_feature(im) for feature in self.features], 1)
