"""Compare the library with a folder of reference numbers: `python -m tests.golden DIR`.

One line a quantity: the largest absolute difference, the largest relative one (to the largest value
of its array; to each value where the tolerance is relative), the tolerance, and whether every value
is within it. Exit status: 0 all within, 1 not all, 2 DIR is unusable or lacks files.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

import tests.golden.checks  # noqa: F401  registers them
from ltr.admin.errors import BadInput
from tests.golden.comparison import Check, checks_of
from tests.golden.folder import Golden


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden",
        description=__doc__.splitlines()[0],
        epilog="Exit status: 0 all passed, 1 a check failed, 2 DIR lacks files.",
    )
    parser.add_argument(
        "folder", metavar="DIR", help="folder with meta.json, such as tests/golden/data/seed0"
    )
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="run the checks whose names contain TEXT"
    )
    options = parser.parse_args(arguments)
    try:
        golden = Golden(options.folder)
        known = checks_of(golden)
        checks = [check for check in known if options.only in check.name]
        if not checks:
            raise BadInput(
                f"no check is called '*{options.only}*'; there are "
                f"{', '.join(c.name for c in known)}"
            )
        missing = dict.fromkeys(name for check in checks for name in check.missing(golden))
        if missing:
            raise BadInput(f"'{golden.folder}' lacks {', '.join(missing)}; copy the whole folder")
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    passed, failed = 0, 0
    for check in checks:
        for line, good in _lines(check, golden):
            print(line, flush=True)
            passed, failed = passed + good, failed + (not good)
    if not options.only and (unread := _unread(golden)):
        print(f"not compared, as nothing here corresponds to it yet: {', '.join(unread)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _lines(check: Check, golden: Golden) -> list[tuple[str, bool]]:
    try:
        return [(str(result), result.passed) for result in check.results(golden)]
    except Exception as error:  # the other checks still tell something
        traceback.print_exc()
        return [(f"{check.name:<66} FAIL: {type(error).__name__}: {error}", False)]


def _unread(golden: Golden) -> list[str]:
    """Files of the folder that no check reads, by their names or that of their folder in
    `analysis`.
    """
    names = [
        path.relative_to(golden.folder).as_posix()
        for path in sorted(golden.folder.rglob("*"))
        if path.is_file()
    ]
    unread = [
        name
        for name in names
        if name != "meta.json" and not any(check.reads(name) for check in checks_of(golden))
    ]
    return list(dict.fromkeys("/".join(name.split("/")[:2]) for name in unread))


if __name__ == "__main__":
    sys.exit(main())
