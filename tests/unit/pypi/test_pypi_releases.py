"""The latest release, the order of releases, and the merge of two responses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from fetcher.domain.model import ProjectInfo, ProjectStatus, ProjectVersions, Release
from fetcher.upstreams.pypi import is_stale, merge
from fetcher.upstreams.pypi.filenames import parse_version
from fetcher.upstreams.pypi.releases import File, in_order, latest, release

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def one(number: str, *, files: int = 1, yanked: bool = False) -> Release:
    return release(number, [File(DAY, yanked, None, None)] * files)


def versions(*releases: Release, serial: int | None = None, status: ProjectStatus | None = None) -> ProjectVersions:
    return ProjectVersions("x", None, in_order(releases), serial, None, status)


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        ([], None),
        ([one("1.9"), one("1.10")], "1.10"),
        ([one("1.0"), one("2.0rc1")], "1.0"),
        ([one("1.0a1"), one("1.0.dev5"), one("1.0b1")], "1.0b1"),
        ([one("1.0"), one("2.0", yanked=True)], "1.0"),
        ([one("1.0", yanked=True), one("2.0b1")], "2.0b1"),
        ([one("1.0", yanked=True), one("2.0b1", yanked=True)], None),
        ([one("1.0"), one("2.0", files=0)], "1.0"),
        ([one("1.0b1"), one("2.0", files=0)], "1.0b1"),
        ([one("1.0", files=0), one("2.0b1", files=0)], "1.0"),
        ([one("1.0", yanked=True), one("2.0", files=0)], None),
        ([one("legacy-9"), one("0.1")], "0.1"),
        ([one("legacy-9"), one("0.1a1")], "0.1a1"),
        ([one("legacy-9"), one("legacy-8")], "legacy-9"),
        ([one("1.0.post1"), one("1.0")], "1.0.post1"),
        ([one("1!1.0"), one("9.0")], "1!1.0"),
        ([one("1.0+local"), one("1.0")], "1.0+local"),
    ],
)
def test_latest(releases: list[Release], expected: str | None) -> None:
    """The newest final with files comes first, then pre-releases, then legacy; without any file, all count."""
    assert latest(in_order(releases)) == expected


numbers = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|b|rc|\.dev|\.post)[0-9]{1,2})?", fullmatch=True),
)
releases_drawn = st.lists(
    st.builds(
        lambda number, files, yanked: one(number, files=files, yanked=yanked), numbers, st.integers(0, 2), st.booleans()
    ),
    max_size=12,
    unique_by=lambda release: release.number,
)


@given(releases_drawn)
def test_order_is_total_and_never_fails(releases: list[Release]) -> None:
    """Any numbers in any order give the same list: legacy ones first, then by PEP 440."""
    ordered = in_order(releases)
    assert ordered == in_order(reversed(releases))
    parsed = [parse_version(release.number) for release in ordered]
    legacy = parsed.count(None)
    assert all(version is None for version in parsed[:legacy])
    standard = [version for version in parsed if version is not None]
    assert standard == sorted(standard)


@given(releases_drawn)
def test_latest_is_never_yanked_nor_empty_beside_files(releases: list[Release]) -> None:
    """The shown release is in the list, not yanked, and has files if any release has."""
    shown = latest(in_order(releases))
    if shown is None:
        filed = [one for one in releases if one.files] or releases
        assert all(one.yanked for one in filed)
    else:
        candidates = [one for one in releases if one.number == shown and not one.yanked]
        assert candidates
        assert any(one.files for one in candidates) or not any(one.files for one in releases)


def test_two_spellings_of_one_version_stand_beside_each_other() -> None:
    """Old projects have both ``1.0`` and ``1.0.0``; they are equal, and both are kept."""
    assert {release.number for release in in_order([one("1.0"), one("1.0.0")])} == {"1.0", "1.0.0"}


@pytest.mark.parametrize("number", ["", "1" * 5000, "1." * 100, "v", "1.0\n", "一"])
def test_a_number_that_is_no_version_is_legacy(number: str) -> None:
    """A number that is no version is legacy, even with thousands of digits, which Python does not convert."""
    assert parse_version(number) in {None, Version("1.0")}
    assert latest([one(number)]) == number


def test_merge_fills_the_gaps_of_json() -> None:
    """JSON's values stay; status, missing releases, times and files come from Simple; the older serial is kept."""
    info = ProjectInfo("s", (), None, None)
    bare = replace(one("1.0"), uploaded_at=None, requires_python=None)
    json = replace(versions(bare, one("2.0-beta1", files=0), serial=8), info=info)
    simple = versions(
        replace(one("1.0"), requires_python=">=3.9"),
        one("2.0b1"),
        one("3.0"),
        serial=7,
        status=ProjectStatus.DEPRECATED,
    )
    merged = merge(json, simple)
    assert [(r.number, r.files, r.uploaded_at, r.requires_python) for r in merged.releases] == [
        ("1.0", 1, DAY, ">=3.9"),
        ("2.0-beta1", 1, DAY, None),
        ("3.0", 1, DAY, None),
    ]
    assert (merged.latest, merged.serial, merged.info, merged.status) == ("3.0", 7, info, ProjectStatus.DEPRECATED)


@given(releases_drawn, releases_drawn)
def test_merge_loses_no_release_and_never_fails(ours: list[Release], theirs: list[Release]) -> None:
    """Each of JSON's numbers is kept, and each of Simple's versions is present in some spelling."""
    merged = {one.number for one in merge(versions(*ours), versions(*theirs)).releases}
    assert {one.number for one in ours} <= merged
    spelt = {parse_version(number) for number in merged}
    assert all(one.number in merged or parse_version(one.number) in spelt for one in theirs)


def test_an_answer_older_than_the_root_is_stale() -> None:
    """Only a known serial below a known expectation is stale; a mirror without serials never is."""
    assert is_stale(versions(serial=4), 5)
    assert not is_stale(versions(serial=5), 5)
    assert not is_stale(versions(serial=6), 5)
    assert not is_stale(versions(serial=None), 5)
    assert not is_stale(versions(serial=5), None)
