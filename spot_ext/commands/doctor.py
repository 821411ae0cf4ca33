"""The verb `doctor`: say what this machine has, and what is missing with the command for it."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.admin.installing import DISTRIBUTION, install_command, optional_requirements
from spot_ext.commands import verb

SHOWN_PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "simplejpeg", "av")

# Codecs of the video files that people have, by the names of FFmpeg's decoders.
VIDEO_CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")

# Loader workers hand their batches over in shared memory; containers often have 64 MB of it.
SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED_MEMORY_GB = 1.0

# Training resumes from checkpoints of hundreds of megabytes.
LEAST_DISK_GB = 5.0

NVIDIA_SMI_SECONDS = 10


@dataclass(frozen=True)
class Line:
    """A line of the answer.

    `remedy` says what brings what is missing. `is_needed` makes the exit status 1 while it is.
    """

    name: str
    value: str
    remedy: str | None = None
    is_needed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


@verb(
    "doctor",
    "Show the device, driver, versions, paths and codecs of this machine, and what is missing "
    "with the command that brings it. Exit status: 1 if training or tracking cannot start.",
    examples=["doctor"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Print a section for each subject."""
    sections = {
        "Device": list(device_lines()),
        "Versions": list(version_lines()),
        "Paths": list(path_lines()),
        "Codecs": list(codec_lines()),
        "Optional packages": list(extra_lines()),
    }
    for title, lines in sections.items():
        sys.stdout.write(f"{title}\n")
        for line in lines:
            sys.stdout.write(f"  {line.name:<22}{line.value}\n")
        sys.stdout.write("\n")
    lines = [line for section in sections.values() for line in section]
    missing = [line for line in lines if line.remedy is not None]
    if not missing:
        sys.stdout.write("Nothing is missing.\n")
        return 0
    sys.stdout.write("Missing\n")
    for line in missing:
        sys.stdout.write(f"  {line.name}: {line.remedy}\n")
    return int(any(line.is_needed for line in missing))


def device_lines() -> Iterator[Line]:
    """Give the processor, memory and GPUs, and what training will use."""
    import torch

    from ltr.parallel.cores import usable_cores

    yield Line("CPU", f"{_cpu_model()}, {usable_cores()} cores usable")
    yield _shared_memory()
    driver = _driver_version()
    yield Line("NVIDIA driver", driver or "none")
    built_for = torch.version.cuda
    yield Line("PyTorch built for", f"CUDA {built_for}" if built_for else "CPUs only")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield Line(f"GPU {index}", _gpu(index))
        yield Line("training will use", torch.cuda.get_device_name())
        return
    remedy = None
    if driver and not built_for:
        remedy = f"this PyTorch cannot use the GPU; {_install_command()} brings one that can"
    elif driver:
        remedy = (
            f"PyTorch sees no GPU though there is a driver; check that nvidia-smi lists one, that "
            f"CUDA_VISIBLE_DEVICES is not empty, and that driver {driver} knows CUDA {built_for}: "
            f"{_install_command()} chooses the build for the driver"
        )
    yield Line("training will use", "the CPU", remedy)


def version_lines() -> Iterator[Line]:
    """Give the versions of Python and of the packages that matter most."""
    yield Line("Python", f"{platform.python_version()}, {sys.executable}")
    yield Line("system", platform.platform())
    for package in (DISTRIBUTION, *SHOWN_PACKAGES):
        yield Line(package, _version(package) or "not installed")


def path_lines() -> Iterator[Line]:
    """Give the two local.py and the folders that they name."""
    from ltr.admin import environment as training
    from pytracking.evaluation import environment as evaluation

    for title, module in (("training", training), ("evaluation", evaluation)):
        file = module.local_file()
        if not file.is_file():
            yield Line(f"{title} local.py", f"{file} (written at the first start)")
            continue
        yield Line(f"{title} local.py", str(file))
        try:
            settings = vars(module.env_settings())
        # Code of the user may raise anything.
        except Exception as error:
            reason = " ".join(str(error).split())
            yield Line(f"{title} settings", "cannot be read", reason, is_needed=True)
            continue
        for name, value in settings.items():
            yield from _folders(name, value)


def codec_lines() -> Iterator[Line]:
    """Give what decodes JPEG files and video files."""
    has_simplejpeg = _version("simplejpeg") is not None
    yield Line("JPEG", "simplejpeg" if has_simplejpeg else "OpenCV, slower")
    try:
        import av
    except ImportError:
        yield Line("video", "OpenCV only", f"PyAV counts frames exactly; {_install_command()}")
        return
    known = av.codecs_available
    absent = [codec for codec in VIDEO_CODECS if codec not in known]
    yield Line("video", f"PyAV: {', '.join(codec for codec in VIDEO_CODECS if codec in known)}")
    if absent:
        remedy = f"convert the videos to H.264, or install a PyAV with {', '.join(absent)}"
        yield Line("video, absent", ", ".join(absent), remedy)


def extra_lines() -> Iterator[Line]:
    """Give each optional group of packages; the names are those of pyproject.toml."""
    for extra, requirements in optional_requirements().items():
        # The name ends where the version begins.
        packages = [re.split(r"[^\w.-]", text)[0] for text in requirements]
        absent = [package for package in packages if _version(package) is None]
        if absent:
            yield Line(extra, f"without {', '.join(absent)}", install_command(extra))
        else:
            yield Line(extra, "installed")


def _folders(name: str, value: Any) -> Iterator[Line]:
    """Give a line for each folder that a setting names, none where it names none."""
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, (list, tuple)):
        return
    for text in paths:
        if not isinstance(text, str) or not text:
            continue
        path = Path(text).expanduser()
        if path.is_dir():
            yield _folder(name, path)
        elif name.endswith(("_dir", "_path")) and not path.suffix:
            yield Line(name, f"{path} (not there yet)")


def _folder(name: str, path: Path) -> Line:
    if not os.access(path, os.W_OK):
        return Line(name, f"{path} (read only)")
    free_gb = shutil.disk_usage(path).free / 1e9
    remedy = None
    if name == "workspace_dir" and free_gb < LEAST_DISK_GB:
        remedy = f"{free_gb:.1f} GB are free in {path}; make room, or name another folder"
    return Line(name, f"{path} ({free_gb:.0f} GB free)", remedy)


def _shared_memory() -> Line:
    if not SHARED_MEMORY.is_dir():
        return Line("shared memory", "not told by this system")
    size_gb = shutil.disk_usage(SHARED_MEMORY).total / 1e9
    remedy = None
    if size_gb < LEAST_SHARED_MEMORY_GB:
        remedy = (
            f"{size_gb:.2f} GB are little for loader workers; start the container with "
            "--shm-size 8g, or train with --set num_workers=0"
        )
    return Line("shared memory", f"{size_gb:.1f} GB", remedy)


def _gpu(index: int) -> str:
    import torch

    properties = torch.cuda.get_device_properties(index)
    major, minor = torch.cuda.get_device_capability(index)
    memory_gb = properties.total_memory / 1e9
    return f"{torch.cuda.get_device_name(index)}, {memory_gb:.0f} GB, capability {major}.{minor}"


def _driver_version() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.split()
    return lines[0] if lines else None


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        match = re.search(r"^model name\s*: (.*)$", information.read_text(), re.MULTILINE)
        if match:
            return match.group(1)
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _install_command() -> str:
    from ltr.admin.environment import REPOSITORY

    if (REPOSITORY / "install.sh").is_file():
        return f"bash {REPOSITORY / 'install.sh'}"
    return f"{sys.executable} -m pip install --upgrade {DISTRIBUTION}"
