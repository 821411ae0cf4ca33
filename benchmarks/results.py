"""Keep what a benchmark measures: rows, the machine, a table to read, JSON.

A benchmark is a module of its own that `python -m benchmarks` can start, too:

    parser = argparse.ArgumentParser(description=...)
    results.add_options(parser)  # --quick, --gpu, --json, --time-limit, --quiet
    options = parser.parse_args()
    found = results.Results("store", options)  # prints the machine
    found.add(Row("open, 41,000 videos", ours=0.1, rival=30.0, target=100, limit=0.5))
    found.finish()  # prints the table

The JSON is written anew after each row, so a benchmark that is stopped at its time limit leaves the
rows it had.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltr.admin.errors import BadInput, MissingFile
from ltr.io.files import write_text
from ltr.parallel.cores import usable_cores

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python", "simplejpeg", "onnxruntime")
_HEAD = ("what", "ours", "rival", "unit", "ratio", "target", "met")


@dataclass(frozen=True)
class Row:
    """Hold one measurement: `ours` and, where there is one, the `rival` measured in the same run,
    both in `unit`.

    `target` is the ratio to reach, `limit` the value that `ours` is to stay below, above where
    `higher_is_better`. `rival_is` says what the rival does; `note` stands under the table.
    """

    name: str
    ours: float
    rival: float | None = None
    unit: str = "s"
    higher_is_better: bool = False
    target: float | None = None
    limit: float | None = None
    rival_is: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Return how many times better than the rival it is, whatever the unit.

        Above 1 is better. None without a rival.
        """
        if self.rival is None:
            return None
        better, worse = (
            (self.ours, self.rival) if self.higher_is_better else (self.rival, self.ours)
        )
        return better / worse if worse else math.inf

    @property
    def met(self) -> bool | None:
        """Return whether target and limit are met, None when the row has neither."""
        checks = []
        if self.target is not None:
            checks.append(self.ratio is not None and self.ratio >= self.target)
        if self.limit is not None:
            checks.append(
                self.ours >= self.limit if self.higher_is_better else self.ours <= self.limit
            )
        return all(checks) if checks else None

    def cells(self) -> list[str]:
        """The row as texts, in the order of the table's head."""
        goals = [] if self.target is None else [f">= {self.target:g}x"]
        if self.limit is not None:
            goals.append(f"{'>=' if self.higher_is_better else '<='} {self.limit:g} {self.unit}")
        ratio = "" if self.ratio is None else f"{number(self.ratio)}x"
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return [
            self.name,
            number(self.ours),
            number(self.rival),
            self.unit,
            ratio,
            ", ".join(goals),
            met,
        ]


@dataclass(frozen=True)
class Machine:
    """Where a benchmark ran."""

    cpu: str
    cores: int  # that this process may use
    memory_gb: float
    gpus: tuple[str, ...]
    system: str
    python: str
    versions: dict[str, str]  # of the packages that matter

    @classmethod
    def here(cls) -> Machine:
        """Describe this machine. Imports torch to ask for the GPU."""
        import torch

        gpus = tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return cls(
            _cpu_model(),
            usable_cores(),
            round(_memory_bytes() / 2**30, 1),
            gpus,
            f"{platform.system()} {platform.machine()}",
            platform.python_version(),
            {name: version for name in PACKAGES if (version := _version(name))},
        )

    def text(self) -> str:
        """Return the machine in a line."""
        gpus = ", ".join(self.gpus) or "no GPU"
        versions = ", ".join(
            f"{name} {version}"
            for name, version in {"Python": self.python, **self.versions}.items()
        )
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:g} GB, {gpus}, {self.system}; "
            f"{versions}"
        )


@dataclass
class Part:
    """Hold the rows of one benchmark; `error` says in a sentence why it has not all its rows."""

    name: str
    rows: list[Row] = dataclasses.field(default_factory=list)
    settings: str = ""
    command: str = ""
    seconds: float = 0.0
    error: str | None = None
    left_out: list[str] = dataclasses.field(default_factory=list)


@dataclass
class Run:
    """All that `--json` writes: the machine, when, and what each benchmark found."""

    machine: Machine
    began: str  # UTC
    quick: bool  # small sizes: shows that it runs, its ratios mean little
    parts: list[Part]

    @classmethod
    def start(cls, quick: bool, machine: Machine | None = None) -> Run:
        """An empty one on this machine, now."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return cls(machine or Machine.here(), now, quick, [])

    def write(self, path: str | os.PathLike) -> None:
        """Write as JSON, in one step."""
        write_text(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: str | os.PathLike) -> Run:
        """Read what `write` wrote. MissingFile or BadInput, naming the file."""
        try:
            raw = json.loads(Path(path).read_text(encoding="utf-8"))
            parts = [
                Part(**{**part, "rows": [Row(**row) for row in part["rows"]]})
                for part in raw["parts"]
            ]
            machine = Machine(**{**raw["machine"], "gpus": tuple(raw["machine"]["gpus"])})
            return cls(machine, raw["began"], raw["quick"], parts)
        except FileNotFoundError:
            raise MissingFile(
                f"there are no benchmark results in {path}; run python -m benchmarks --json {path}"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{path} holds no benchmark results ({error}); give a file written by --json"
            ) from error

    def text(self, markdown: bool = False) -> str:
        """A table for each benchmark under the machine."""
        title = "{}\n" if not markdown else "### {}\n"
        remark = ", --quick: sizes too small for the ratios to mean much" if self.quick else ""
        lines = [
            f"{self.began}{remark}",
            self.machine.text(),
            "",
        ]
        for part in self.parts:
            command = f"`{part.command}`" if markdown else part.command
            lines += [
                title.format(part.name),
                *([f"{command}, {part.seconds:.0f} s"] if part.command else []),
                *([part.settings] if part.settings else []),
                "",
            ]
            if part.rows:
                lines += [table(part.rows, markdown), ""]
            lines += [f"left out: {text}" for text in part.left_out] + [""] * bool(part.left_out)
            if part.error:
                lines += [f"FAILED: {part.error}", ""]
        return "\n".join(lines)


def table(rows: Sequence[Row], markdown: bool = False) -> str:
    """Rows aligned in columns for a terminal, or as a Markdown table; what the rivals are, and
    notes, below.
    """
    cells = [list(_HEAD), *(row.cells() for row in rows)]
    if markdown:
        lines = ["| " + " | ".join(line) + " |" for line in cells]
        lines.insert(1, "|---|---:|---:|---|---:|---|---|")
    else:
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                text.rjust(w) if i in (1, 2, 4) else text.ljust(w)
                for i, (text, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
    rivals = dict.fromkeys(row.rival_is for row in rows if row.rival_is)
    notes = [f"rival: {text}" for text in rivals] + [
        f"{row.name}: {row.note}" for row in rows if row.note
    ]
    gap = [""] if notes and markdown else []
    return "\n".join([*lines, *gap, *(f"{'-' if markdown else ' '} {note}" for note in notes)])


def number(value: float | None) -> str:
    """Three digits that count: 0.00123, 4.56, 789, 12,300."""
    if value is None:
        return ""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options every benchmark has, so that `python -m benchmarks` can start it."""
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it runs, in seconds"
    )
    parser.add_argument(
        "--gpu", action="store_true", help="the part that needs a GPU, and only that"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write rows and machine here")
    parser.add_argument(
        "--time-limit",
        type=float,
        default=math.inf,
        metavar="SECONDS",
        help="leave out what does not fit any more",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print no table: whoever started this prints it"
    )


class Results:
    """Collects the rows of one benchmark. `settings` is a line that says what was measured at which
    size.
    """

    def __init__(self, name: str, options: argparse.Namespace, settings: str = ""):
        if options.gpu:
            # A real run lets cuDNN choose its fastest algorithms, see `ltr.run_training`.
            import torch

            torch.backends.cudnn.benchmark = True
        self.run = Run.start(options.quick)
        self.part = Part(name, settings=settings)
        self.run.parts.append(self.part)
        self._file, self._began, self._limit = options.json, time.perf_counter(), options.time_limit
        self._quiet = options.quiet
        if not self._quiet:
            print(
                f"{name}: {settings}" if settings else name,
                self.run.machine.text(),
                sep="\n",
                flush=True,
            )

    @property
    def seconds_left(self) -> float:
        """Until `--time-limit`; infinite without. A benchmark leaves out what would not end
        before.
        """
        return self._limit - (time.perf_counter() - self._began)

    def add(self, row: Row) -> Row:
        """Keep a row, on disk, too, where `--json` is given."""
        self.part.rows.append(row)
        self._keep()
        return row

    def leave_out(self, what: str, why: str) -> None:
        """Say that a row is not there: no time left, a package or a device missing."""
        self.part.left_out.append(f"{what} ({why})")
        print(f"left out: {self.part.left_out[-1]}", flush=True)
        self._keep()

    def _keep(self) -> None:
        self.part.seconds = round(time.perf_counter() - self._began, 1)
        if self._file:
            self.run.write(self._file)

    def finish(self) -> None:
        """Print the table."""
        if not self._quiet:
            print(f"\n{table(self.part.rows)}", flush=True)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
