"""Backbones."""

from ltr.models.backbone.resnet import (
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet_baby,
)
from ltr.models.backbone.resnet18_vggm import resnet18_vggmconv1

__all__ = [
    "resnet18",
    "resnet18_vggmconv1",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet_baby",
]
