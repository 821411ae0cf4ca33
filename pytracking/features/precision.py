"""Networks that track in bf16 or fp16: what is wide and tolerant in few digits, what says where the
box is in fp32.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.models.neck.featurefusion_network import Attention

AUTO = "auto"  # bf16 where the device has fast instructions for it, else fp32
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HEADS = (
    "class_embed",
    "bbox_embed",
    "iou_embed",  # TransT
    "connect_model.bbox_pred",
    "connect_model.cls_pred",
    "connect_model.iou_pred",
    "align_head",
)  # Ocean

_log = logging.getLogger(__name__)
_said: set[str] = set()


class InFp32(nn.Module):
    """`inner`, whatever the precision around it."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        with torch.autocast(inputs[0].device.type, enabled=False):
            return self.inner(*(value.float() for value in inputs))


def check(precision: str) -> None:
    """BadValue for an unknown precision."""
    known = (*DTYPES, AUTO)
    if precision not in known:
        raise BadValue(
            f"precision '{precision}' is not known{suggestion(precision, known)}; use one of "
            f"{', '.join(known)}"
        )


def usable(precision: str, device: torch.device) -> str:
    """The precision to compute in: 'fp32', with a log line, where the device has no instructions
    for the one asked for.
    """
    if precision == "fp16" and device.type == "cpu":
        return _without(precision, "a CPU is slower in fp16")
    if precision in ("bf16", AUTO) and not _has_bf16(device):
        if precision == AUTO:
            return "fp32"
        return _without(
            precision,
            "this CPU has no bf16 instructions"
            if device.type == "cpu"
            else "this GPU has no bf16 instructions (it has fp16)",
        )
    return "bf16" if precision == AUTO else precision


def _has_bf16(device: torch.device) -> bool:
    return (
        cpu_has_bf16()
        if device.type == "cpu"
        else torch.cuda.get_device_capability(device) >= (8, 0)
    )


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware (AMX or AVX512-BF16, Arm's bf16); false where
    torch cannot tell.
    """
    tell = getattr(torch.cpu, "get_capabilities", None)
    if tell is not None:
        return any(
            value
            for name, value in tell().items()
            if name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
        )
    probes = (
        getattr(torch.cpu, name, None)
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
    return any(probe() for probe in probes if probe is not None)


def _without(precision: str, reason: str) -> str:
    if reason not in _said:
        _said.add(reason)
        _log.warning("precision '%s' is not used: %s; tracking goes on in fp32", precision, reason)
    return "fp32"


def lower(net: nn.Module, dtype: torch.dtype) -> None:
    """Let `net`, which is for inference, compute in `dtype` under `autocast`, in place: only
    `HEADS` and norms stay in fp32.

    Weights are rounded once rather than on every frame, and take half the memory.
    """
    modules = dict(net.named_modules())
    heads = {name: modules[name] for name in HEADS if name in modules}
    untouched = {id(module) for head in heads.values() for module in head.modules()}
    for module in modules.values():
        if isinstance(module, (nn.Conv2d, nn.Linear, Attention)) and id(module) not in untouched:
            module.to(dtype)
    for name, head in heads.items():
        owner, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(owner), leaf, InFp32(head))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Within it, networks on `device` compute in `precision`, not fp32."""
    return torch.autocast(
        device.type, DTYPES[precision], cache_enabled=False
    )  # CUDA graphs outlive what it would cache
