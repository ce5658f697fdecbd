"""Measurements of the code: functions without docstrings, openings, and prose patterns outside quotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.code_size import hits_of, measure, size_of

MODULE = '''"""A module, which nobody reads."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Point:
    x: int

    def moved(self) -> int:
        """What is asked here is answered there."""
        return self.x + 1


class Pair(NamedTuple):
    x: int


class Plain:
    """Return "who asks" and ``told`` unchanged."""


def long() -> int:
    """The number of lines."""
    # Tell it anew, or else wait.
''' + "".join(f"    a{n} = {n}\n" for n in range(41))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    (tmp_path / "empty.py").write_text("")
    return path


def test_sizes(file: Path) -> None:
    """Count lines of functions without docstrings, data classes of any kind, and how docstrings open."""
    size = size_of([file, file.with_name("empty.py")])
    assert (size.files, size.lines, size.functions, size.long_functions) == (1, MODULE.count("\n"), 2, 1)
    assert size.mean_function == (2 + 43) / 2
    assert (size.data_classes, size.classes) == (2, 3)
    assert (size.function_docstrings, size.openings, size.noun_openings) == (2, 1, 1)


def test_patterns(file: Path) -> None:
    """Count patterns in docstrings and comments; quoted text and code do not count."""
    hits = hits_of([file])
    assert hits["P1 what, how, who opens"] == 1
    assert (hits["P4 ask, tell, say, hear"], hits["P4 answer"]) == (2, 1)
    assert (hits["P5 somebody, people"], hits["P5 who"]) == (1, 0)
    assert (hits["P6 archaic words"], hits["P7 else"]) == (1, 0)


def test_parts(tmp_path: Path) -> None:
    """Measure the product without its simulator; a part that a revision lacks is empty."""
    (tmp_path / "fetcher" / "simulator").mkdir(parents=True)
    (tmp_path / "fetcher" / "one.py").write_text(MODULE)
    (tmp_path / "fetcher" / "simulator" / "two.py").write_text("X = 1\n")
    (tmp_path / "README.md").write_text("Nobody asks.\n```sh\nfetcher ask\n```\n")
    sizes, hits = measure(tmp_path)
    assert [sizes[part].files for part in ("product", "its simulator", "tests")] == [1, 1, 0]
    assert (hits["documents"]["words"], hits["documents"]["P4 ask, tell, say, hear"]) == (2, 1)
    assert len(sizes["tests"].cells()) == 9
