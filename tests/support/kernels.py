"""Kernels of other CPUs: the settings that make PyTorch compute as another machine would.

A setting is a set of environment variables. Those of PyTorch, oneDNN and MKL are read by them when
a process starts; those that begin with `SPOT_TEST` are read by `apply_settings`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import torch

ONEDNN = "SPOT_TEST_ONEDNN"
THREADS = "SPOT_TEST_THREADS"
MATMUL_PRECISION = "SPOT_TEST_MATMUL_PRECISION"


@dataclass(frozen=True)
class Kernels:
    """A named choice of kernels."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    # the smallest vector extension that a CPU must have to follow the setting
    needs: str = ""


DEFAULT = Kernels("this CPU's own")
WITHOUT_ONEDNN = Kernels("without oneDNN", {ONEDNN: "0"})
SETTINGS = (
    DEFAULT,
    Kernels("ATen without vectors", {"ATEN_CPU_CAPABILITY": "default"}),
    Kernels("ATen with AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}, "avx2"),
    Kernels("ATen with AVX512", {"ATEN_CPU_CAPABILITY": "avx512"}, "avx512f"),
    Kernels("oneDNN with SSE4.1", {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    Kernels("oneDNN with AVX2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2"),
    Kernels("oneDNN with AVX512", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "avx512f"),
    WITHOUT_ONEDNN,
    Kernels("MKL for any CPU", {"MKL_CBWR": "COMPATIBLE"}),
    Kernels("2 threads", {THREADS: "2"}),
)
# Starts as a process that has asked for bfloat16 products of float32 matrices. The checks and the
# numeric tests ask for full float32 themselves, so that it must not reach them.
MEDIUM = Kernels("matmul precision medium", {MATMUL_PRECISION: "medium"})


def apply_settings(environment: dict[str, str] | None = None) -> None:
    """Let this process follow the settings in its environment; one thread unless they say more."""
    values = dict(os.environ) if environment is None else environment
    torch.set_num_threads(int(values.get(THREADS, "1")))
    if values.get(ONEDNN) == "0":
        torch.backends.mkldnn.enabled = False
    torch.set_float32_matmul_precision(values.get(MATMUL_PRECISION, "highest"))


def usable(kernels: Kernels) -> bool:
    """Tell whether this CPU has the vectors that a setting asks for."""
    if not kernels.needs:
        return True
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return kernels.needs in flags.split()


def cpu_name() -> str:
    """Return the CPU's name and the vectors that PyTorch uses on it."""
    name = "CPU"
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    name = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"
