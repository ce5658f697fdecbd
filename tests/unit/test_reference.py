"""The reference pages equal the code, and every link between the documents has a target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fetcher.reference import FOLDER, PAGES

ROOT = FOLDER.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_equals_the_code(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each link leads to a file of the project, and to one of its headings."""
    for link in _LINK.findall(_FENCED.sub("", path.read_text("utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name} links to {link}"
        if anchor:
            assert anchor in _anchors(target), f"{path.name} links to {link}"


def test_the_index_names_every_page() -> None:
    named = {link.partition("#")[0] for link in _LINK.findall((FOLDER / "README.md").read_text("utf-8"))}
    assert {path.name for path in FOLDER.glob("*.md")} - {"README.md"} <= named


def _anchors(path: Path) -> set[str]:
    """Return the headings' anchors in the form of the code hosts."""
    headings = _HEADING.findall(_FENCED.sub("", path.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
