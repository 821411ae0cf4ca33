"""Cuts patches around a target and turns them into the features of a tracker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import TensorList
from pytracking.features.featurebase import FeatureBase, FeatureOwner, MultiFeatureBase
from pytracking.features.preprocessing import sample_patch_multiscale, sample_patch_transformed


class ExtractorBase(FeatureOwner):
    """The features a tracker uses."""

    def __init__(self, features: Sequence[FeatureBase]):
        self.features = list(features)


class SingleResolutionExtractor(ExtractorBase):
    """Features of one common stride."""

    def __init__(self, features: Sequence[FeatureBase]):
        super().__init__(features)
        strides = list(_flat(feature.stride() for feature in self.features))
        if len(set(strides)) > 1:
            raise BadValue(
                f"SingleResolutionExtractor needs features of one stride, these have {strides}; "
                "use "
                "MultiResolutionExtractor, or set their pool_stride"
            )

    def stride(self) -> int:
        """Image pixels per element of the maps."""
        return next(iter(_flat([self.features[0].stride()])))

    def size(self, input_sz):
        """Size of the maps for an image size."""
        return input_sz // self.stride()

    def extract(self, im: Tensor) -> TensorList:
        """All maps of images (B, C, H, W)."""
        return TensorList(feature.get_feature(im) for feature in self.features).unroll()


class MultiResolutionExtractor(ExtractorBase):
    """Features of any strides, cut from patches around a position; every result is a TensorList, a
    map an element.

    `patch_mode` and `max_scale_change`: see `sample_patch`.
    """

    def __init__(
        self,
        features: Sequence[FeatureBase],
        patch_mode: str = "replicate",
        max_scale_change: float | None = None,
    ):
        super().__init__(features)
        self.patch_mode = patch_mode
        self.max_scale_change = max_scale_change
        self.is_color: bool | None = None  # not known yet: all features are used

    def set_is_color(self, is_color: bool) -> None:
        """Say whether the video is in colour; features that are not for it drop out of every
        answer.
        """
        self.is_color = is_color

    def stride(self) -> TensorList:
        """Strides of the maps."""
        return TensorList(_flat(feature.stride() for feature in self._used()))

    def size(self, input_sz) -> TensorList:
        """Sizes of the maps for an image size (number, or tensor (h, w))."""
        return TensorList(
            size for feature in self._used() for size in _as_list(feature, feature.size(input_sz))
        )

    def dim(self) -> TensorList:
        """Channels of the maps."""
        return TensorList(_flat(feature.dim() for feature in self._used()))

    def get_fparams(self, name: str | None = None) -> TensorList:
        """The parameters of every map, or the one called `name` of each."""
        if name is None:
            return TensorList(value for f in self._used() for value in _per_map(f, f.fparams))
        return TensorList(
            value for f in self._used() for value in _per_map(f, getattr(f.fparams, name))
        )

    def get_attribute(self, name: str, ignore_missing: bool = False) -> TensorList:
        """Attribute `name` of every feature; `ignore_missing` leaves out features without it, else
        it is None.
        """
        found = [
            getattr(feature, name, None)
            for feature in self._used()
            if not ignore_missing or hasattr(feature, name)
        ]
        return TensorList(_flat(found))

    def get_unique_attribute(self, name: str) -> Any:
        """Return attribute `name` of the one feature that has it; BadValue where none or several
        have.
        """
        found = [getattr(feature, name) for feature in self._used() if hasattr(feature, name)]
        if len(found) != 1:
            raise BadValue(
                f"{len(found) or 'no'} features have the attribute '{name}', not one; ask with "
                "get_attribute"
            )
        return found[0]

    def extract(
        self, im: Tensor, pos: Tensor, scales, image_sz: Tensor, return_patches: bool = False
    ):
        """Maps of patches around `pos` (y, x), one patch of `scale * image_sz` per scale.

        Returns the TensorList of maps (S, C, h, w) and the patches' places (S, 4) [top, left,
        bottom, right]; with `return_patches` the patches (S, C, H, W) too.
        """
        scales = scales if isinstance(scales, (list, tuple, Tensor)) else [scales]
        patches, coords = sample_patch_multiscale(
            im, pos, scales, image_sz, self.patch_mode, self.max_scale_change
        )
        features = self._features_of(patches)
        return (features, coords, patches) if return_patches else (features, coords)

    def extract_transformed(
        self, im: Tensor, pos: Tensor, scale: float, image_sz: Tensor, transforms: Sequence
    ) -> TensorList:
        """Maps of one patch under every transform: (T, C, h, w) each."""
        return self._features_of(sample_patch_transformed(im, pos, scale, image_sz, transforms))

    def _features_of(self, patches: Tensor) -> TensorList:
        return TensorList(feature.get_feature(patches) for feature in self._used()).unroll()

    def _used(self) -> list[FeatureBase]:
        if self.is_color is None:
            return self.features
        return [
            feature
            for feature in self.features
            if (feature.use_for_color if self.is_color else feature.use_for_gray)
        ]


def _flat(values) -> list:
    return [
        part
        for value in values
        for part in (value if isinstance(value, (list, tuple)) else [value])
    ]


def _as_list(feature: FeatureBase, value) -> list:
    return list(value) if isinstance(feature, MultiFeatureBase) else [value]


def _per_map(feature: FeatureBase, value) -> list:
    """`value` for every map of a feature: given per map as a list, or one for all."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return [value] * (len(feature.dim()) if isinstance(feature, MultiFeatureBase) else 1)
