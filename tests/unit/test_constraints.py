"""The dependencies, audited without a network: every one is pinned, and every pin is wanted and within its range."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
EXTRAS = ("flower", "parquet", "test", "dev")
OURSELVES = "fetcher"


def _pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    stated = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for one in stated:
        assert [clause.operator for clause in one.specifier] == ["=="], f"{one} is not pinned"
        assert one.url is None, f"{one} does not come from the index"
    return {canonicalize_name(one.name): Version(next(iter(one.specifier)).version) for one in stated}


def _declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in optional[extra])]
    return [one for one in map(Requirement, lines) if one.name != OURSELVES]


def _needed(requirements: list[Requirement]) -> dict[str, list[Requirement]]:
    """Everything that these come to, with what it needs itself, by what is installed here."""
    found: dict[str, list[Requirement]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        found.setdefault(name, []).append(one)
        if (name, frozenset(one.extras)) in seen:
            continue
        seen.add((name, frozenset(one.extras)))
        try:
            stated = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for text in stated:
            further = Requirement(text)
            extras = ("", *one.extras)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)
    return found


def test_every_dependency_is_pinned() -> None:
    """Whatever ``pip install`` brings, directly or not, has one version in ``constraints.txt``."""
    assert sorted(_needed(_declared()).keys() - _pins().keys()) == []


def test_every_pin_is_within_every_range() -> None:
    """No pin breaks what ``pyproject.toml`` or another dependency asks for."""
    pins = _pins()
    broken = [
        f"{name}=={pins[name]} is not {one.specifier}"
        for name, asked in _needed(_declared()).items()
        for one in asked
        if name in pins and not one.specifier.contains(pins[name], prereleases=True)
    ]

    assert broken == []


def test_no_pin_is_of_something_unknown() -> None:
    """A name that nothing asks for is a mistake, or somebody else's package under a name that looks right."""
    assert sorted(_pins().keys() - _needed(_declared()).keys()) == []


def test_what_is_installed_is_what_is_pinned() -> None:
    """The tests speak of the versions that they run with."""
    different = {}
    for name, version in _pins().items():
        try:
            installed = Version(distribution(name).version)
        except PackageNotFoundError:
            continue
        if installed != version:
            different[name] = f"{installed} instead of {version}"

    assert different == {}
