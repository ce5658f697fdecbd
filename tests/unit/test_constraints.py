"""The dependencies, audited without a network: pinned, required, in range, free of known holes, and unaltered."""

from __future__ import annotations

import tomllib
from base64 import urlsafe_b64encode
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import certifi
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
OURSELVES = "fetcher"
OLDEST_PYTHON = "3.11.2"
HOLES = {
    "celery": ("CVE-2021-23727", "5.2.2"),
    "certifi": ("CVE-2024-39689", "2024.7.4"),
    "cryptography": ("CVE-2026-69247", "50.0.0"),
    "fastapi": ("CVE-2024-24762", "0.109.1"),
    "h11": ("CVE-2025-43859", "0.16.0"),
    "h2": ("CVE-2026-71554", "4.4.1"),
    "idna": ("CVE-2026-45409", "3.15"),
    "jinja2": ("CVE-2025-27516", "3.1.6"),
    "mako": ("CVE-2026-102991", "1.4.2"),
    "markdown-it-py": ("CVE-2023-26303", "2.2.0"),
    "pydantic": ("CVE-2024-3772", "2.4.0"),
    "pygments": ("CVE-2026-4539", "2.20.0"),
    "pyjwt": ("CVE-2026-101918", "2.15.0"),
    "pyyaml": ("CVE-2020-14343", "5.4"),
    "redis": ("CVE-2023-28859", "4.5.4"),
    "requests": ("CVE-2026-25645", "2.33.0"),
    "soupsieve": ("CVE-2026-86000", "2.9.0"),
    "sqlalchemy": ("CVE-2019-7164", "1.3.0"),
    "starlette": ("CVE-2026-54283", "1.3.1"),
    "urllib3": ("CVE-2026-97687", "2.8.0"),
    "uvicorn": ("CVE-2020-7694", "0.11.7"),
    "werkzeug": ("CVE-2026-102598", "3.1.9"),
}
"""The newest hole that was told of each in November 2026, and the version that closed it: no pin goes back behind it.
Each was looked up in the public records of CVEs, in the advisory databases or in the project's own release notes."""


def _pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    stated = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for one in stated:
        assert [clause.operator for clause in one.specifier] == ["=="], f"{one} is not pinned"
        assert one.url is None, f"{one} does not come from the index"
    return {canonicalize_name(one.name): Version(next(iter(one.specifier)).version) for one in stated}


def _declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return [one for one in map(Requirement, lines) if one.name != OURSELVES]


def _needed(requirements: list[Requirement]) -> dict[str, list[Requirement]]:
    """Return these requirements and all that they require themselves, by the installed metadata."""
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
            if _is_wanted(further, one.extras):
                waiting.append(further)
    return found


def _is_wanted(one: Requirement, extras: set[str]) -> bool:
    """Return True if this Python, or the oldest supported one, requires ``one``."""
    oldest = {"python_full_version": OLDEST_PYTHON, "python_version": OLDEST_PYTHON.rpartition(".")[0]}
    environments = ({"extra": extra, **python} for extra in ("", *extras) for python in ({}, oldest))
    return one.marker is None or any(one.marker.evaluate(environment) for environment in environments)


def test_every_dependency_is_pinned() -> None:
    """Every direct and indirect dependency has one version in ``constraints.txt``."""
    assert sorted(_needed(_declared()).keys() - _pins().keys()) == []


def test_every_pin_is_within_every_range() -> None:
    """No pin is outside a range of ``pyproject.toml`` or of another dependency."""
    pins = _pins()
    broken = [
        f"{name}=={pins[name]} is not {one.specifier}"
        for name, asked in _needed(_declared()).items()
        for one in asked
        if name in pins and not one.specifier.contains(pins[name], prereleases=True)
    ]

    assert broken == []


def test_every_pin_runs_on_the_oldest_python() -> None:
    """Each pin admits Debian 12's own Python, a patch release that some packages have left behind."""
    refused = {}
    for name in _pins():
        try:
            stated = distribution(name).metadata["Requires-Python"]
        except PackageNotFoundError:
            continue
        if stated and not SpecifierSet(stated).contains(OLDEST_PYTHON):
            refused[name] = stated

    assert refused == {}


def test_no_pin_is_of_something_unknown() -> None:
    """A name that nothing requires is a mistake, or another author's package under a similar name."""
    assert sorted(_pins().keys() - _needed(_declared()).keys()) == []


def test_installed_versions_are_the_pinned_ones() -> None:
    """The tests run with the pinned versions."""
    different = {}
    for name, version in _pins().items():
        try:
            installed = Version(distribution(name).version)
        except PackageNotFoundError:
            continue
        if installed != version:
            different[name] = f"{installed} instead of {version}"

    assert different == {}


def test_no_pin_is_older_than_the_end_of_a_known_hole() -> None:
    """A pin that is lowered for another reason does not reopen a known vulnerability."""
    pins = _pins()
    assert sorted(HOLES.keys() - pins.keys()) == []
    assert [f"{name}: {hole}" for name, (hole, closed) in HOLES.items() if pins[name] < Version(closed)] == []


def test_no_root_whose_keys_have_leaked() -> None:
    """The bundle that is pinned lacks the root of GHSA-6q48-6c7w-9gw2, which certifi names as closed by 2026.10.19."""
    assert "BEGIN CERTIFICATE" in certifi.contents()
    assert "emSign" not in certifi.contents()


def test_installed_files_are_unaltered() -> None:
    """Each file has the checksum in its wheel's record, so no dependency is patched on this machine."""
    altered = []
    for name in _pins():
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        for file in files:
            if file.hash is None or file.hash.mode != "sha256" or file.suffix != ".py":
                continue
            found = urlsafe_b64encode(sha256(Path(str(file.locate())).read_bytes()).digest()).decode().rstrip("=")
            if found != file.hash.value:
                altered.append(str(file))

    assert altered == []
