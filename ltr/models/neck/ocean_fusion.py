"""Ocean's matching of a template with a search crop: correlation at three dilations, then a tower
for each prediction.

Source: Ocean (ECCV 2020), section 3; the IoU tower is SPOT's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.parallel.precision import outside_autocast

MAX_LOG_SIDE = 4.7  # a box side ends at most e^4.7 = 110 px from its position
CLS_SCALE = 0.1


class Encoding(nn.Module):
    """A feature map seen through three 3x3 convolutions, square, tall and wide; `_k` for templates,
    `_s` for searches.
    """

    dilations = {"matrix11": (1, 1), "matrix12": (2, 1), "matrix21": (1, 2)}  # noqa: RUF012 - constant; (height, width)

    def __init__(self, channels: int):
        super().__init__()
        for name, dilation in self.dilations.items():
            for stream in ("k", "s"):
                self.add_module(
                    f"{name}_{stream}",
                    nn.Sequential(
                        nn.Conv2d(channels, channels, 3, bias=False, dilation=dilation),
                        nn.BatchNorm2d(channels),
                        nn.ReLU(inplace=True),
                    ),
                )

    def forward(self, features: Tensor, stream: str) -> list[Tensor]:
        """The three maps of `features` (B, C, n, n), smaller by 2 or 4 cells on a side."""
        return [getattr(self, f"{name}_{stream}")(features) for name in self.dilations]


class Correlation(nn.Module):
    """Depthwise cross-correlation of each pair of maps, mixed by learned weights that sum to 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, templates: list[Tensor], searches: list[Tensor]) -> Tensor:
        """(B, C, m, m)."""
        shares = self.weight.softmax(0)
        return sum(
            share * _correlate(k, s)
            for share, k, s in zip(shares, templates, searches, strict=True)
        )


class OceanFusion(nn.Module):
    """Encodings of template and search, their correlation, and the towers that read scores, boxes
    and IoUs from it.
    """

    def __init__(self, channels: int = 256, depth: int = 4, iou_head: bool = True):
        super().__init__()
        self.adjust = nn.Parameter(torch.full((1,), 0.1))
        self.bias = nn.Parameter(torch.ones(1, 4, 1, 1))
        self.cls_encode, self.reg_encode = Encoding(channels), Encoding(channels)
        self.cls_dw, self.reg_dw = Correlation(), Correlation()
        self.bbox_tower, self.cls_tower = _tower(channels, depth), _tower(channels, depth)
        self.bbox_pred = nn.Conv2d(channels, 4, 3, padding=1)
        self.cls_pred = nn.Conv2d(channels, 1, 3, padding=1)
        if iou_head:
            self.iou_pred_tower = _tower(channels, depth)
            self.iou_pred = nn.Conv2d(channels, 1, 3, padding=1)

    def encode(self, features: Tensor, stream: str) -> tuple[list[Tensor], list[Tensor]]:
        """Return what classification and regression compare: templates with stream 'k', searches
        with 's'.
        """
        return self.cls_encode(features, stream), self.reg_encode(features, stream)

    def forward(
        self, template, search, iou_rows: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Predictions for two `encode`d streams, and the regression features (B, C, m, m) that the
        align head reads.

        `pred_logits` (B, 1, m, m), `pred_boxes` (B, 4, m, m) distances left, top, right, bottom in
        px, and with an IoU head `pred_ious` (B, 1, m, m) in 0..1; that head reads detached
        features, of the first `iou_rows` samples if given.
        """
        cls, reg = self.cls_dw(template[0], search[0]), self.reg_dw(template[1], search[1])
        reg_features = self.bbox_tower(reg)
        boxes = (
            (self.adjust * outside_autocast(self.bbox_pred, reg_features) + self.bias)
            .clamp_max(MAX_LOG_SIDE)
            .exp()
        )
        outputs = {
            "pred_logits": CLS_SCALE * outside_autocast(self.cls_pred, self.cls_tower(cls)),
            "pred_boxes": boxes,
        }
        if hasattr(self, "iou_pred"):
            iou_features = self.iou_pred_tower(reg[:iou_rows].detach())
            outputs["pred_ious"] = outside_autocast(self.iou_pred, iou_features).sigmoid()
        return outputs, reg_features


def _tower(channels: int, depth: int) -> nn.Sequential:
    layers = [
        (nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        for _ in range(depth)
    ]
    tower = nn.Sequential(*(module for layer in layers for module in layer))
    for module in tower:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return tower


def _correlate(templates: Tensor, searches: Tensor) -> Tensor:
    """Every channel of (B, C, h, w) slid over the same channel of (B, C, H, W): one grouped
    convolution for the batch.
    """
    batch, channels = templates.shape[:2]
    maps = F.conv2d(
        searches.reshape(1, batch * channels, *searches.shape[2:]),
        templates.reshape(batch * channels, 1, *templates.shape[2:]),
        groups=batch * channels,
    )
    return maps.reshape(batch, channels, *maps.shape[2:])
