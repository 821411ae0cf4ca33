"""Which names a Python file has, read without running it."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

# What a name is imported from: dots before the module, the module, the name there (None: itself).
Import = tuple[int, str, str | None]


def definitions(file: Path) -> dict[str, Import | None]:
    """Return the names that a file has at its top level.

    The value is None for what is defined there, and (level, module, name) for what is imported.
    """
    return _parsed(file, file.stat().st_mtime_ns)


@functools.cache
def _parsed(file: Path, changed_ns: int) -> dict[str, Import | None]:
    names: dict[str, Import | None] = {}
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError:
        # Importing the file tells its user; a search through a folder passes over it.
        return names
    for statement in _top_level(tree):
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names[statement.name] = None
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                source = (statement.level, statement.module or "", alias.name)
                names[alias.asname or alias.name] = source
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                root = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or root] = (0, root, None)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                names |= {node.id: None for node in ast.walk(target) if isinstance(node, ast.Name)}
    return names


def _top_level(tree: ast.Module) -> list[ast.stmt]:
    """Return the statements of a module, those inside `if` and `try` included."""
    statements: list[ast.stmt] = []
    waiting = list(reversed(tree.body))
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, (ast.If, ast.Try)):
            branches = [*statement.body, *statement.orelse]
            if isinstance(statement, ast.Try):
                branches += [*statement.finalbody]
                branches += [inner for handler in statement.handlers for inner in handler.body]
            waiting.extend(reversed(branches))
        else:
            statements.append(statement)
    return statements
