"""The documentation builds into a site, and no link in it or in the README leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def test_the_site_builds_and_broken_links_are_errors(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra [docs]")
    pytest.importorskip("mkdocstrings", reason="needs the extra [docs]")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    assert (tmp_path / "own-videos/index.html").is_file()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_pages_outside_docs_lead_to_files(page):
    targets = LINK.findall((REPO / page).read_text(encoding="utf-8"))
    assert [target for target in targets if not (REPO / target).exists()] == []


def test_every_page_is_in_the_menu():
    """A page that no menu names is found by nobody."""
    menu = (REPO / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(REPO / "docs") for path in (REPO / "docs").rglob("*.md")]
    assert [str(page) for page in pages if f" {page.as_posix()}\n" not in menu] == []
