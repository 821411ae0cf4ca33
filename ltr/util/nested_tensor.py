"""Images of different sizes in one tensor, with a mask that is true on padding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ltr.admin.errors import BadValue


class NestedTensor:
    """`tensors` (B, C, H, W) and `mask` (B, H, W) bool, true where an image has no pixel (or
    None).
    """

    def __init__(self, tensors: Tensor, mask: Tensor | None):
        self.tensors = tensors
        self.mask = mask

    def to(self, device: torch.device | str, non_blocking: bool = False) -> NestedTensor:
        """A copy on `device`."""
        mask = None if self.mask is None else self.mask.to(device, non_blocking=non_blocking)
        return NestedTensor(self.tensors.to(device, non_blocking=non_blocking), mask)

    def decompose(self) -> tuple[Tensor, Tensor | None]:
        """The tensor and the mask."""
        return self.tensors, self.mask

    def __repr__(self) -> str:
        return f"NestedTensor({tuple(self.tensors.shape)})"


def nested_tensor_from_tensor_list(tensor_list: Sequence[Tensor]) -> NestedTensor:
    """Images (C, H, W) of any sizes, padded with zeros at the right and bottom to the largest
    height and width.
    """
    images = list(tensor_list)
    if any(image.dim() != 3 or image.shape[0] != images[0].shape[0] for image in images):
        raise BadValue(
            "nested_tensor_from_tensor_list takes images (C, H, W) of one C, these are "
            f"{[tuple(image.shape) for image in images]}"
        )
    height, width = (max(image.shape[dim] for image in images) for dim in (1, 2))
    tensors = images[0].new_zeros(len(images), images[0].shape[0], height, width)
    mask = torch.ones(len(images), height, width, dtype=torch.bool, device=tensors.device)
    for index, image in enumerate(images):
        tensors[index, :, : image.shape[1], : image.shape[2]] = image
        mask[index, : image.shape[1], : image.shape[2]] = False
    return NestedTensor(tensors, mask)


def nested_tensor_from_tensor(tensor: Tensor) -> NestedTensor:
    """Images (B, C, H, W), or one (C, H, W), of one size: nothing is padded."""
    tensor = tensor[None] if tensor.dim() == 3 else tensor
    return NestedTensor(
        tensor, torch.zeros(len(tensor), *tensor.shape[-2:], dtype=torch.bool, device=tensor.device)
    )


nested_tensor_from_tensor_2 = nested_tensor_from_tensor
