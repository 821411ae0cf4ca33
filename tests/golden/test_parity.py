"""Every check on the committed numbers, and on the whole ones where they are; `python -m
tests.golden DIR` runs the same.
"""

import pytest

from tests.golden.checks import CHECKS
from tests.golden.comparison import checks_of
from tests.golden.folder import COMMITTED, OSTRACK, SPOT, Golden

FOLDERS = {SPOT: "seed0", OSTRACK: "ostrack/seed0"}


def cases():
    for where in ("committed", "shared"):
        for check in CHECKS:
            slow = check.slow or (check.heavy and where == "shared")
            yield pytest.param(
                where, check, id=f"{where}-{check.name}", marks=[pytest.mark.slow] if slow else []
            )


@pytest.mark.parametrize(("where", "check"), list(cases()))
def test_same_numbers_as_the_reference(where, check, request):
    home = COMMITTED if where == "committed" else request.getfixturevalue("shared_dir") / "golden"
    golden = Golden(home / FOLDERS[check.form])
    assert check.missing(golden) == []
    results = check.results(golden)
    failed = [str(result) for result in results if not result.passed]
    assert results and not failed, "\n".join(failed)


@pytest.mark.parametrize("form", FOLDERS)
def test_every_file_has_a_check(shared_dir, form):
    folder = shared_dir / "golden" / FOLDERS[form]
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    unread = [
        name for name in names if not any(check.reads(name) for check in checks_of(Golden(folder)))
    ]
    assert unread == ["meta.json"]
