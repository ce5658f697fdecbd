"""Values that the site derives: tables from its rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.sites.django_packages import scoring
from tests.harness.clock import DAY, NOW

MIT = "License :: OSI Approved :: MIT License"
APACHE = "License :: OSI Approved :: Apache Software License"
PYTHON_3 = "Programming Language :: Python :: 3.11"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2026-01-15T10:00", "2026-02-15T09:59", 0),
        ("2026-01-15T10:00", "2026-02-15T10:00", 1),
        ("2026-01-31T00:00", "2026-02-27T23:59", 0),
        ("2026-01-31T00:00", "2026-02-28T00:00", 1),
        ("2025-12-31T00:00", "2026-01-01T00:00", 0),
        ("2024-02-29T00:00", "2026-02-28T00:00", 24),
        ("2020-03-18T12:00", "2026-03-18T12:00", 72),
        ("2026-03-19T00:00", "2026-03-18T00:00", 0),
    ],
)
def test_full_months(start: str, end: str, months: int) -> None:
    """A month is full once its day and time have come round; the last day completes a shorter month."""
    assert scoring.months_between(at(start), at(end)) == months


@pytest.mark.parametrize(
    ("watchers", "months", "python3", "score"),
    [
        (100, 0, True, 100),
        (100, 2, True, 100),
        (100, 3, True, 90),
        (100, 8, True, 80),
        (100, 0, False, 70),
        (100, 0, None, 70),
        (100, 24, True, 20),
        (100, 36, True, -20),
        (100, 240, True, -500),
        (7, 3, True, 6),
        (7, 36, True, -1),
        (10_000, 0, False, 9_000),
        (0, 36, False, 0),
    ],
)
def test_score(watchers: int, months: int, python3: bool | None, score: int) -> None:  # noqa: FBT001
    """A tenth is subtracted for each quarter without a commit, 30 % without Python 3, towards zero, at least -500."""
    committed = scoring.plus_months(NOW, -months)
    assert scoring.score(watchers, committed, supports_python3=python3, now=NOW) == score


def test_score_without_a_date() -> None:
    """A package without a known last commit loses one quarter's share."""
    assert scoring.score(100, None, supports_python3=True, now=NOW) == 90


@given(
    watchers=st.integers(0, 300_000),
    age=st.timedeltas(timedelta(0), timedelta(days=9000)),
    python3=st.sampled_from([True, False, None]),
    later=st.floats(0, 0.999),
)
def test_nothing_changes_before_the_stated_time(
    watchers: int,
    age: timedelta,
    python3: bool | None,  # noqa: FBT001
    later: float,
) -> None:
    """Until the time that ``equal_until`` returns, the score of the same values stays."""
    until = scoring.equal_until(NOW - age, NOW)
    moment = NOW + (until - NOW) * later

    assert NOW < until <= NOW + DAY
    before = scoring.score(watchers, NOW - age, supports_python3=python3, now=NOW)
    assert scoring.score(watchers, NOW - age, supports_python3=python3, now=moment) == before


@pytest.mark.parametrize(
    ("requires", "classifiers", "supports"),
    [
        (">=3.8", [], True),
        (">=2.7,<3", [], False),
        ("==2.*", [PYTHON_3], False),
        (">=3.14", [], True),
        (">=3.15", [], False),
        ("~=3.6", [], True),
        ("!=3.*", [], False),
        ("three", [PYTHON_3], True),
        ("three", [], None),
        (None, [PYTHON_3], True),
        (None, ["Programming Language :: Python :: 2"], None),
        ("", None, None),
    ],
)
def test_python_3(requires: str | None, classifiers: list[str] | None, supports: bool | None) -> None:  # noqa: FBT001
    """A valid specifier decides by the versions 3.0 to 3.14; otherwise a classifier of Python 3 counts."""
    assert scoring.supports_python3(requires, classifiers) is supports


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "names"),
    [
        ("MIT", None, [MIT], ("MIT", "MIT License")),
        ("MIT", "ignored", [], ("MIT",)),
        (None, " BSD ", [], ("BSD",)),
        ("", "Permission is hereby granted", [MIT], ("Custom", "MIT License")),
        (None, MIT, [MIT], (MIT, "MIT License")),
        (None, None, [MIT, APACHE, MIT], ("MIT License", "Apache Software License")),
        ("MIT OR Apache-2.0 OR BSD", None, None, ("Custom",)),
        (None, "", ["Framework :: Django"], ()),
    ],
)
def test_licences(
    expression: str | None, text: str | None, classifiers: list[str] | None, names: tuple[str, ...]
) -> None:
    """The expression or the legacy text comes first, ``Custom`` for a long one, then the classifiers' names, once."""
    assert scoring.licences(expression, text, classifiers) == names


@pytest.mark.parametrize(
    ("classifiers", "status"),
    [
        (["Framework :: Django", "Development Status :: 5 - Production/Stable"], 5),
        (["Development Status :: 7 - Inactive"], 7),
        (["Development Status :: 12"], 0),
        ([], 0),
        (None, 0),
    ],
)
def test_development_status(classifiers: list[str] | None, status: int) -> None:
    """The number of the classifier counts, and 0 without one."""
    assert scoring.development_status(classifiers) == status
