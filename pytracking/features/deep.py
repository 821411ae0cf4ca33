"""Layers of networks as features. Weights are read by `initialize()`, not when the feature is
made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensorlist import TensorList
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.models.backbone.mobilenetv3 import mobilenet3
from ltr.models.backbone.resnet18_vggm import resnet18_vggmconv1
from ltr.parallel.device import default_device
from pytracking.features.featurebase import MultiFeatureBase
from pytracking.utils import loading


class DeepFeature(MultiFeatureBase):
    """Base: the layers `output_layers` of a network on images normalised as for ImageNet.

    Sub-classes give `channels` and `strides` by layer name and define `load_network`. `net_path` is
    looked up as `pytracking.utils.loading` says; further options are those of `FeatureBase`.
    """

    channels: dict[str, int]
    strides: dict[str, int]

    def __init__(
        self,
        output_layers: Sequence[str],
        net_path: str | None = None,
        use_gpu: bool = True,
        **options,
    ):
        super().__init__(**options)
        for name in output_layers:
            if name not in self.channels:
                raise BadValue(
                    f"{type(self).__name__} has no layer "
                    f"'{name}'{suggestion(name, self.channels)}; choose "
                    f"among {', '.join(self.channels)}"
                )
        self.output_layers = list(output_layers)
        self.net_path = net_path
        self.use_gpu = use_gpu
        self.net: Any = None  # a network of the user's; None before `initialize`

    def load_network(self) -> nn.Module:
        """The network: `net(images, output_layers)` gives a dict of layers."""
        raise NotImplementedError(f"{type(self).__name__} must define load_network()")

    def initialize(self) -> None:
        if self.net is None:
            self.device = default_device(self.use_gpu)
            self.net = self.load_network().to(self.device)
            # A statement of its own: a network of the user's may have a train() that returns None.
            self.net.eval()

    def free_memory(self) -> None:
        self.net = None

    def dim(self) -> TensorList:
        return TensorList(self.channels[name] for name in self.output_layers)

    def stride(self) -> TensorList:
        pools = self._per_map(self.pool_stride)
        return TensorList(
            pool * self.strides[name] for pool, name in zip(pools, self.output_layers, strict=True)
        )

    @torch.no_grad()
    def extract(self, im: Tensor) -> TensorList:
        """The layers, in the order of `output_layers`, of images (B, 3, H, W) with grey levels 0 to
        255.
        """
        self.initialize()
        found = self.net(self._normalised(im), self.output_layers)
        return TensorList(found[name] for name in self.output_layers)

    def _normalised(self, im: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(value, device=self.device).view(1, 3, 1, 1)
            for value in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return (im.to(self.device, torch.float32) / 255 - mean) / std


class ResNet18m1(DeepFeature):
    """ResNet-18 with VGG-M's first convolution beside it (`resnet18_vggmconv1`)."""

    channels = {  # noqa: RUF012
        "vggconv1": 96,
        "conv1": 64,
        "layer1": 64,
        "layer2": 128,
        "layer3": 256,
        "layer4": 512,
        "fc": 1000,
    }
    strides = {  # noqa: RUF012
        "vggconv1": 2,
        "conv1": 2,
        "layer1": 4,
        "layer2": 8,
        "layer3": 16,
        "layer4": 32,
        "fc": 32,
    }

    def load_network(self) -> nn.Module:
        name = self.net_path or "resnet18_vggmconv1/resnet18_vggmconv1.pth"
        return resnet18_vggmconv1(self.output_layers, path=loading.network_candidates(name)[0])


class Mobilenet(DeepFeature):
    """MobileNetV3 (large). Without `net_path` it has torchvision's ImageNet weights, which may be
    downloaded.
    """

    channels = {  # noqa: RUF012
        "init_conv": 16,
        "layer1": 16,
        "layer2": 24,
        "layer3": 40,
        "layer4": 80,
        "layer5": 112,
        "layer6": 160,
        "layer_1x1": 960,
    }
    strides = {  # noqa: RUF012
        "init_conv": 2,
        "layer1": 2,
        "layer2": 4,
        "layer3": 8,
        "layer4": 16,
        "layer5": 16,
        "layer6": 32,
        "layer_1x1": 32,
    }

    def load_network(self) -> nn.Module:
        path = None if self.net_path is None else loading.network_candidates(self.net_path)[0]
        return mobilenet3(self.output_layers, path=path, pretrained=True)


class ATOMResNet18(DeepFeature):
    """Layers of a checkpoint of ATOM's form: a `feature_extractor`, an IoU-net `bb_regressor` and
    the layers `bb_regressor_layer` that the IoU-net sees.

    After `initialize` there are `iou_predictor` (the IoU-net) and `iounet_feature_layers`. Every
    `extract` leaves `iounet_backbone_features`, the IoU-net's layers, and `iounet_features`, what
    its `get_iou_feat` makes of them, both TensorLists; a tracker asks for them with
    `get_unique_attribute`. Networks without an IoU-net have none of these.
    """

    channels = {  # noqa: RUF012
        "conv1": 64,
        "layer1": 64,
        "layer2": 128,
        "layer3": 256,
        "layer4": 512,
        "classification": 256,
    }
    strides = {  # noqa: RUF012
        "conv1": 2,
        "layer1": 4,
        "layer2": 8,
        "layer3": 16,
        "layer4": 32,
        "classification": 16,
    }

    def __init__(
        self,
        output_layers: Sequence[str] = ("layer3",),
        net_path: str = "atom_iou",
        use_gpu: bool = True,
        **options,
    ):
        super().__init__(output_layers, net_path, use_gpu, **options)

    def load_network(self) -> nn.Module:
        net = loading.load_network(self.net_path or "atom_iou")
        if not hasattr(net, "feature_extractor"):
            raise BadValue(
                f"the network '{self.net_path}' ({type(net).__name__}) has no feature_extractor; "
                "ATOMResNet18 "
                "takes networks of ATOM's form"
            )
        return net

    def initialize(self) -> None:
        if self.net is not None:
            return
        super().initialize()
        self.feature_layers = sorted(self.output_layers)
        net: Any = self.net
        if hasattr(net, "bb_regressor"):
            self.iou_predictor = net.bb_regressor
            self.iounet_feature_layers = list(net.bb_regressor_layer)
            self.feature_layers = sorted({*self.output_layers, *self.iounet_feature_layers})

    @torch.no_grad()
    def extract(self, im: Tensor) -> TensorList:
        """Return the layers, in the order of `output_layers`, of images (B, 3, H, W) with grey
        levels 0 to 255, and keep what the IoU-net needs of them.
        """
        self.initialize()
        images = self._normalised(im)
        if hasattr(self.net, "extract_features"):
            found = self.net.extract_features(images, self.feature_layers)
        else:
            found = self.net.feature_extractor(images, self.feature_layers)
        if hasattr(self, "iou_predictor"):
            layers = self.iounet_feature_layers
            self.iounet_backbone_features = TensorList(found[name].clone() for name in layers)
            features = self.iou_predictor.get_iou_feat(self.iounet_backbone_features)
            self.iounet_features = TensorList(features)
        return TensorList(found[name] for name in self.output_layers)
