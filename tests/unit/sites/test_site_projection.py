"""The projection: which columns differ, which values are left out, and which rows are not Fetcher's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fetcher.domain.errors import SiteError, UnsupportedSite
from fetcher.domain.model import CatalogueEntry, OutcomeKind, Source, SourceState
from fetcher.domain.sites import GonePolicy, RowChange, SiteRow, SiteValues
from fetcher.sites.django_packages.grants import grants
from fetcher.sites.django_packages.layout import (
    CORE,
    EDITORS,
    VERSION_INSERTED,
    VERSION_READ,
    WRITTEN,
    ColumnFacts,
    Layout,
    TableFacts,
    findings,
    layout_of,
    readable,
)
from fetcher.sites.django_packages.projection import MOVED, NOTHING, RETIRED, UNSERVED, Projection, participants
from tests.harness.clock import DAY, HOUR, NOW
from tests.harness.stores import release

ADDRESS = "https://github.com/o/r"
ALL = dict.fromkeys(Source, NOW)
PACKAGE = dict.fromkeys((*EDITORS, *WRITTEN), ColumnFacts("text", update=True))
VERSION = dict.fromkeys(("id", *VERSION_INSERTED, *VERSION_READ), ColumnFacts("text"))
FORM = {"package_package": TableFacts(PACKAGE), "package_version": TableFacts(VERSION)}
EDITORS_ONLY = ColumnFacts("text", update=False)
ROLE = {**PACKAGE, **{name: EDITORS_ONLY for name in EDITORS if name != "date_deprecated"}}


def values(**given: Any) -> SiteValues:
    return SiteValues(
        **{
            "package_id": 1,
            "repo_url": ADDRESS,
            "pypi_url": "",
            "retired": False,
            "unserved": None,
            "answered": ALL,
            "repository": SourceState(Source.REPOSITORY, answered_at=NOW),
            "last_fetched": None,
            **given,
        }
    )


def row(version: dict[str, Any] | None = None, **columns: Any) -> SiteRow:
    found = {**dict.fromkeys(PACKAGE), "id": 1, "slug": "a", "repo_url": ADDRESS, "pypi_url": "", **columns}
    return SiteRow(CatalogueEntry("a", "A"), deprecated=False, columns=found, version=version)


def compare(
    of: SiteValues, live: SiteRow, layout: Layout | None = None, gone: GonePolicy = GonePolicy.TELL
) -> RowChange:
    return Projection(layout or layout_of(FORM), gone).compare(of, live, NOW)


def changed(change: RowChange) -> dict[str, Any]:
    return {one.column: one.after for one in change.changes if not one.version}


def test_an_unknown_value_never_replaces_a_known_one() -> None:
    """A package without a response, or without the value, keeps every column as it is."""
    live = row(repo_watchers=5, repo_description="Old", participants="ada", pypi_licenses=["MIT"], score=5)
    assert changed(compare(values(answered={}, stars=9, description=""), live)) == {}
    assert changed(compare(values(logins=()), replace(live, columns={**live.columns, "score": 3}))) == {}


def test_an_empty_repository_clears_the_date_of_its_last_commit() -> None:
    """A repository known to be empty has no last commit; one whose date is unknown keeps it."""
    live = row(last_commit_date=NOW - DAY, score=0)
    assert changed(compare(values(empty=True), live)) == {"last_commit_date": None}
    assert changed(compare(values(empty=False), live)) == {}


def test_the_documentation_link_is_filled_in_only() -> None:
    """PyPI's link is written while the editors' field is empty, and never over another one."""
    of = values(documentation_url="https://docs.example.org/")
    for empty in (None, ""):
        assert changed(compare(of, row(documentation_url=empty, score=0))) == {
            "documentation_url": of.documentation_url
        }
    assert changed(compare(of, row(documentation_url="https://mine.example.org/", score=0))) == {}


def test_archiving_is_dated_once() -> None:
    """The date is that of the response that reported it, and stays when the repository is no longer archived."""
    archived = values(archived=True, answered={Source.REPOSITORY: NOW - HOUR})
    assert changed(compare(archived, row(score=0))) == {"date_repo_archived": NOW - HOUR}
    assert changed(compare(archived, row(date_repo_archived=NOW - DAY, score=0))) == {}
    assert changed(compare(values(archived=False), row(date_repo_archived=NOW - DAY, score=0))) == {}


def test_the_last_fetch_only_moves_forwards() -> None:
    """An older time of the store never replaces a newer one of the site."""
    assert compare(values(last_fetched=NOW), row(last_fetched=NOW - DAY, score=0)).only_fetched
    assert compare(values(last_fetched=NOW), row(last_fetched=None, score=0)).only_fetched
    assert compare(values(last_fetched=NOW - DAY), row(last_fetched=NOW, score=0)).changes == ()


def test_a_value_that_is_too_wide_is_left_out_and_reported() -> None:
    """A long text is not cut; a list loses the long element alone."""
    narrow = {**PACKAGE, "pypi_classifiers": ColumnFacts("character varying(100)[]")}
    narrow["documentation_url"] = ColumnFacts("character varying(200)")
    of = values(classifiers=("a" * 100, "b" * 101, "c"), documentation_url="https://" + "d" * 193)

    change = compare(of, row(score=0), layout_of({**FORM, "package_package": TableFacts(narrow)}))

    assert changed(change) == {"pypi_classifiers": ["a" * 100, "c"]}
    assert change.omitted == (
        "pypi_classifiers: 101 characters, and the column holds 100",
        "documentation_url: 201 characters, and the column holds 200",
    )


def test_a_description_of_a_megabyte_is_written() -> None:
    """The description's column has no limit, so it is never cut."""
    assert changed(compare(values(description="x" * 1_000_000), row(score=0)))["repo_description"] == "x" * 1_000_000


def test_many_people_are_joined_without_spaces() -> None:
    """Three hundred logins keep their order. A comma inside a name becomes a space, because commas separate."""
    logins = tuple(f"person-{number}" for number in range(300))
    assert participants(logins).split(",") == list(logins)
    assert participants(("Doe, Jane", "bob")) == "Doe  Jane,bob"


@pytest.mark.parametrize(
    ("given", "live", "reason"),
    [
        ({}, {}, None),
        ({"unserved": "no upstream serves it"}, {}, UNSERVED),
        ({}, {"repo_url": f"{ADDRESS}-moved"}, MOVED),
        ({}, {"pypi_url": "other"}, MOVED),
        ({"repo_url": None, "pypi_url": None}, {"repo_url": "", "pypi_url": ""}, NOTHING),
        ({"retired": True}, {}, RETIRED),
        ({"repo_url": ADDRESS}, {"repo_url": "https://user:secret@github.com/o/r"}, None),
    ],
)
def test_rows_that_are_left_alone(given: dict[str, Any], live: dict[str, Any], reason: str | None) -> None:
    """Only a row at the fetched addresses is written; credentials in an address do not count."""
    assert Projection(layout_of(FORM)).left_out(values(**given), row(**live)) == reason


def test_a_version_keeps_its_upload_time() -> None:
    """An existing version's upload time is filled in, and never replaced."""
    live = {"id": 7, "package_id": 1, "number": "1.0", "license": "MIT", "licenses": ["MIT"], "upload_time": None}
    live |= {"development_status": 0, "supports_python3": False}
    of = values(pypi_url="a", latest=release("1.0"), classifiers=(), licence_text="MIT")
    dated = {**live, "upload_time": NOW - timedelta(hours=5)}

    undated = [one.column for one in compare(of, row(live, pypi_url="a", score=0)).changes if one.version]
    kept = [one.column for one in compare(of, row(dated, pypi_url="a", score=0)).changes if one.version]

    assert (undated, kept) == (["upload_time"], [])


def gone_state(failures: int = 3, span: timedelta = 31 * DAY) -> SourceState:
    return SourceState(
        Source.REPOSITORY,
        answered_at=NOW - 99 * DAY,
        outcome=OutcomeKind.GONE,
        failures=failures,
        first_failed_at=NOW - span,
        last_failed_at=NOW,
    )


@pytest.mark.parametrize(
    ("policy", "state", "expected"),
    [
        (GonePolicy.TELL, gone_state(), {}),
        (GonePolicy.DEPRECATE, gone_state(), {"date_deprecated": NOW}),
        (GonePolicy.DEPRECATE, gone_state(failures=2), {}),
        (GonePolicy.DEPRECATE, gone_state(span=30 * DAY), {}),
        (GonePolicy.DEPRECATE, replace(gone_state(), outcome=OutcomeKind.TRANSIENT), {}),
    ],
)
def test_a_missing_repository_is_deprecated_by_policy_only(
    policy: GonePolicy, state: SourceState, expected: dict[str, Any]
) -> None:
    """Three failures over 31 days deprecate a package, if the policy is to; otherwise nothing is written."""
    layout = layout_of(FORM)
    assert changed(compare(values(repository=state, answered={}), row(), layout, policy)) == expected


def test_a_deprecation_is_taken_back_if_it_is_fetchers() -> None:
    """After a response, a date that Fetcher wrote is cleared; a date that an editor set stays."""
    live = row(date_deprecated=NOW - DAY, score=0)
    assert changed(compare(values(deprecated_by_fetcher=NOW - DAY), live)) == {"date_deprecated": None}
    assert changed(compare(values(deprecated_by_fetcher=NOW - 2 * DAY), live)) == {}
    assert changed(compare(values(), live)) == {}


@pytest.mark.parametrize("missing", CORE)
def test_a_missing_core_column_is_refused_by_name(missing: str) -> None:
    """Tables without a column that every form has are refused, and the column is named."""
    columns = {name: facts for name, facts in PACKAGE.items() if name != missing}
    with pytest.raises(UnsupportedSite, match=missing):
        layout_of({**FORM, "package_package": TableFacts(columns)})


def test_other_refusals() -> None:
    """A database without the table, the form before 2021-09, and a role that may not read are refused in words."""
    with pytest.raises(UnsupportedSite, match="no table package_package"):
        layout_of({})
    with pytest.raises(UnsupportedSite, match="too old"):
        layout_of({"package_package": TableFacts({n: f for n, f in PACKAGE.items() if n != "score"})})
    unreadable = {**PACKAGE, "slug": ColumnFacts("text", select=False)}
    with pytest.raises(SiteError, match="may not read slug"):
        readable(layout_of({**FORM, "package_package": TableFacts(unreadable)}))


def test_findings_name_rights_that_are_missing_or_too_many() -> None:
    """Each finding names its columns; the role that `grants` prints has none."""
    version = {name: replace(facts, update=False) for name, facts in VERSION.items()}
    denied = {**ROLE, "title": ColumnFacts("text"), "score": EDITORS_ONLY}
    denied_version = "license, licenses, upload_time, development_status, supports_python3, modified"
    faults = [
        one.message
        for one in findings(
            layout_of({"package_package": TableFacts(denied), "package_version": TableFacts(version)}), deprecates=False
        )
        if not one.ok
    ]
    fine = findings(layout_of({**FORM, "package_package": TableFacts(ROLE)}), deprecates=True)

    assert faults == [
        "the role may not write score of package_package",
        f"the role may not write {denied_version} of package_version",
        "the role may change editors' columns of package_package: title",
    ]
    assert [one.message for one in fine if not one.ok] == []


def test_a_column_that_may_not_be_written_is_left_alone() -> None:
    """A missing right costs its column, and no other one."""
    denied = {**PACKAGE, "repo_watchers": EDITORS_ONLY}
    layout = layout_of({**FORM, "package_package": TableFacts(denied)})
    assert changed(compare(values(stars=5, forks=2), row(score=5), layout)) == {"repo_forks": 2, "score": 3}


def test_grants_never_name_an_editors_column_for_writing() -> None:
    """The role may write the worker's columns, and the date of deprecation only by policy."""
    layout = layout_of(FORM)
    (told,) = [
        line
        for line in grants(layout, deprecates=False).splitlines()
        if line.startswith("GRANT UPDATE") and "package_package" in line
    ]
    deprecating = grants(layout, deprecates=True)

    assert told == f"GRANT UPDATE ({', '.join(WRITTEN)}) ON package_package TO fetcher_site;"
    assert f"{WRITTEN[-1]}, date_deprecated)" in deprecating
