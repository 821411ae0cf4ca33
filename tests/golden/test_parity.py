"""Every check on the committed numbers, and on the whole ones where they are; `python -m
tests.golden DIR` runs the same.
"""

import pytest

from tests.golden.checks import CHECKS
from tests.golden.folder import COMMITTED, Golden


def cases():
    for where in ("committed", "shared"):
        for check in CHECKS:
            slow = check.slow or (check.heavy and where == "shared")
            yield pytest.param(
                where, check, id=f"{where}-{check.name}", marks=[pytest.mark.slow] if slow else []
            )


@pytest.mark.parametrize(("where", "check"), list(cases()))
def test_same_numbers_as_the_reference(where, check, request):
    golden = Golden(
        COMMITTED / "seed0"
        if where == "committed"
        else request.getfixturevalue("shared_dir") / "golden/seed0"
    )
    assert check.missing(golden) == []
    results = check.results(golden)
    failed = [str(result) for result in results if not result.passed]
    assert results and not failed, "\n".join(failed)


def test_every_file_has_a_check(shared_dir):
    folder = shared_dir / "golden/seed0"
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    unread = [name for name in names if not any(check.reads(name) for check in CHECKS)]
    assert unread == ["meta.json"]
