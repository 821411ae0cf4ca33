"""Backbones."""

from ltr.models.backbone.resnet import resnet18, resnet50

__all__ = ["resnet18", "resnet50"]
