"""Let networks track in TF32, bf16 or fp16.

Wide and tolerant layers compute in few digits; the heads, which say where the box is, stay in fp32.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.models.neck.featurefusion_network import Attention
from ltr.parallel.precision import tf32_within

# bf16 where the device has fast instructions for it, else fp32
AUTO = "auto"

# The type of a network's weights. TF32 is a way to multiply fp32 numbers.
DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_TRANST_HEADS = ("class_embed", "bbox_embed", "iou_embed")
_OCEAN_HEADS = (
    "connect_model.bbox_pred",
    "connect_model.cls_pred",
    "connect_model.iou_pred",
    "align_head",
)
HEADS = (*_TRANST_HEADS, *_OCEAN_HEADS)

# The first generation of GPUs with bf16 and TF32 (Ampere) has this compute capability.
_AMPERE = (8, 0)

_log = logging.getLogger(__name__)
_said: set[str] = set()


class InFp32(nn.Module):
    """Computes `inner` in fp32, whatever the precision around it."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return `inner` of the inputs as fp32."""
        with torch.autocast(inputs[0].device.type, enabled=False):
            return self.inner(*(value.float() for value in inputs))


def check(precision: str) -> None:
    """Raise BadValue for an unknown precision."""
    known = (*DTYPES, AUTO)
    if precision not in known:
        raise BadValue(
            f"precision '{precision}' is not known{suggestion(precision, known)}; use one of "
            f"{', '.join(known)}"
        )


def usable(precision: str, device: torch.device) -> str:
    """Return the precision to compute in on `device`.

    It is 'fp32', with a log line, where the device has no instructions for the one asked for.
    """
    if precision == "tf32":
        # A CPU, and a GPU older than Ampere, compute it as fp32, which is at least as exact.
        return "fp32" if device.type == "cpu" else "tf32"
    if precision == "fp16" and device.type == "cpu":
        return _fall_back(precision, "a CPU is slower in fp16")
    if precision in ("bf16", AUTO) and not _has_bf16(device):
        if precision == AUTO:
            return "fp32"
        if device.type == "cpu":
            return _fall_back(precision, "this CPU has no bf16 instructions")
        return _fall_back(precision, "this GPU has no bf16 instructions (it has fp16)")
    return "bf16" if precision == AUTO else precision


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cpu":
        return cpu_has_bf16()
    return torch.cuda.get_device_capability(device) >= _AMPERE


def cpu_has_bf16() -> bool:
    """Return whether this CPU multiplies bf16 in hardware; False where torch cannot tell.

    The instructions are AMX and AVX512-BF16, and Arm's bf16.
    """
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)
    if get_capabilities is not None:
        capabilities = get_capabilities()
        names = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
        return any(capabilities.get(name) for name in names)
    # Older versions of torch have these two functions instead.
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        is_supported = getattr(torch.cpu, name, None)
        if is_supported is not None and is_supported():
            return True
    return False


def _fall_back(precision: str, reason: str) -> str:
    if reason not in _said:
        _said.add(reason)
        _log.warning("precision '%s' is not used: %s; tracking goes on in fp32", precision, reason)
    return "fp32"


def lower(net: nn.Module, dtype: torch.dtype) -> None:
    """Let `net`, which is for inference, compute in `dtype` under `autocast`, in place.

    Only norms and the heads stay in fp32: the network's `fp32_heads`, or `HEADS`. Weights are
    rounded once rather than on every frame, and take half the memory.
    """
    modules = dict(net.named_modules())
    names = getattr(net, "fp32_heads", HEADS)
    heads = {name: modules[name] for name in names if name in modules}
    head_modules = {id(module) for head in heads.values() for module in head.modules()}
    for module in modules.values():
        if isinstance(module, (nn.Conv2d, nn.Linear, Attention)) and id(module) not in head_modules:
            module.to(dtype)
    for name, head in heads.items():
        owner, _, leaf = name.rpartition(".")
        setattr(net.get_submodule(owner), leaf, InFp32(head))


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Within the block, networks on `device` compute in bf16 or fp16."""
    # CUDA graphs outlive what the cache of casted weights would hold.
    return torch.autocast(device.type, DTYPES[precision], cache_enabled=False)


@contextlib.contextmanager
def computing_in(device: torch.device, precision: str) -> Iterator[None]:
    """Within the block, networks on `device` compute in `precision`, as `usable` returned it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(tf32_within(device, precision))
        if DTYPES[precision] != torch.float32:
            stack.enter_context(autocast(device, precision))
        yield
