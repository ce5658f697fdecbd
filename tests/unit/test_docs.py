"""The documentation names tests, commands and settings that exist."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from fetcher.monitoring.definitions import TASKS
from tests.chaos.injection.github_faults import GITHUB_FAULTS
from tests.chaos.injection.local_faults import CLOCK_FAULTS
from tests.chaos.injection.pypi_faults import PYPI_FAULTS
from tests.chaos.injection.scenarios import LONG_ON_POSTGRES, LONG_ON_SQLITE, TWENTY_KILLS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
DOCS = sorted((ROOT / "docs").glob("*.md"))
FILES = sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py"))
CHAOS = {one.name for one in (*GITHUB_FAULTS, *PYPI_FAULTS, *CLOCK_FAULTS, *LONG_ON_POSTGRES, *LONG_ON_SQLITE)} | {
    TWENTY_KILLS.name
}

_FILE = re.compile(r"`(?:tests/)?((?:unit|component|contract|integration|chaos)/[\w/*….]*)(?:::(\w+))?`")
_MODULE = re.compile(r"`((?:fetcher|tests|tasks|benchmarks)/[\w./-]+|(?:fetcher|tests|tasks)\.[a-z_.]+[a-z_])`")
_OF_CHAOS = re.compile(r"`chaos/` ((?:\"[^\"]+\"(?:, )?)+)")


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_test_that_is_named_is_there(path: Path) -> None:
    """Each file, pattern of files and test that a document names exists."""
    missing = []
    for file, test in _FILE.findall(path.read_text("utf-8")):
        found = [one for one in FILES if one == file or fnmatch(one, file.replace("…", "*")) or one.startswith(file)]
        if not found or (test and not any(test in _tests_in(TESTS / one) for one in found)):
            missing.append(f"{file}::{test}" if test else file)

    assert missing == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_fault_that_is_named_is_made_to_happen(path: Path) -> None:
    """Each fault in quotes after ``chaos/`` is a row of its table."""
    named = [name for names in _OF_CHAOS.findall(path.read_text("utf-8")) for name in re.findall(r'"([^"]+)"', names)]

    assert [name for name in named if name not in CHAOS] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_module_that_is_named_is_there(name: str) -> None:
    """Each path and dotted name of a module in backquotes exists, tasks (``fetcher.plan``) excepted."""
    named = set(_MODULE.findall((ROOT / name).read_text("utf-8")))
    paths = {one: one if "/" in one or one.endswith(".py") else one.replace(".", "/") for one in named - set(TASKS)}

    assert [one for one, path in sorted(paths.items()) if not _exists(path)] == []


def test_the_drawing_of_the_folders_names_every_folder() -> None:
    """The tree in the architecture has each folder of ``fetcher``, and each file that it names exists."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    tree = text[text.index("## Where things are") : text.index("Imports go one way")]
    folders = {path.parent.name for path in (ROOT / "fetcher").glob("*/__init__.py")}
    files = {path.name for path in (*ROOT.glob("*.py"), *(ROOT / "fetcher").rglob("*.*"))}

    assert [one for one in sorted(folders) if f"{one}/" not in tree] == []
    assert sorted(set(re.findall(r"\w+\.(?:py|lua)", tree)) - files) == []


def test_the_documents_name_tests() -> None:
    """The pages of controls and faults name at least as many tests as expected."""
    for name, least in (("threat-model.md", 20), ("faults.md", 5)):
        assert len(_FILE.findall((ROOT / "docs" / name).read_text("utf-8"))) >= least


def _exists(path: str) -> bool:
    """Return whether a file, a folder or a module of the project has this path."""
    return any((ROOT / f"{path}{ending}").exists() for ending in ("", ".py"))


def _tests_in(path: Path) -> set[str]:
    """Return the names of the functions of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
