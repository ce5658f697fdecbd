"""The v4 document, read and written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.catalogue.documents import KEYS, WORKER_KEYS, BadRecord, dump, read_document, write_document
from fetcher.domain.commit_weeks import rolling_weeks
from fetcher.domain.model import (
    CatalogueEntry,
    CommitDays,
    DocumentValues,
    ProjectInfo,
    ProjectVersions,
    RepoStats,
    StoredPackage,
)
from tests.harness.seeds import SEEDS

DOCUMENTS = sorted(SEEDS.glob("*.json"))
DIRECTORY = ZoneInfo("America/New_York")
TODAY = date(2026, 2, 16)


def seed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENTS[0].read_text())
    return document


def entry(raw: object) -> CatalogueEntry:
    read = read_document(raw)
    assert isinstance(read, CatalogueEntry)
    return read


def stored(entry: CatalogueEntry) -> StoredPackage:
    return StoredPackage(entry, entry.observed or DocumentValues(), None, None, None, None, None, {})


def written(package: StoredPackage) -> dict[str, Any]:
    return write_document(package, DIRECTORY, TODAY)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_real_document_comes_back_byte_for_byte(path: Path) -> None:
    """Each of the five seeds, read and written in the directory's zone, is the same file."""
    text = path.read_text(encoding="utf-8")
    assert dump(written(stored(entry(json.loads(text))))) == text


def test_there_are_five_seeds() -> None:
    """The test above uses all five."""
    assert len(DOCUMENTS) == 5


def test_editors_fields_and_unknown_keys_are_carried_through() -> None:
    """Editors' fields may have any JSON; unknown keys follow the known ones in their own order."""
    changes = {
        "category": {"id": [1, 2.5, None]},
        "grids": "x",
        "zeta": {"b": 1, "a": [True]},
        "alpha": "é\u2028\U0001f600",
    }
    document = written(stored(entry(seed() | changes)))
    assert list(document) == [*KEYS, "zeta", "alpha"]
    assert {key: document[key] for key in changes} == changes
    assert list(document["zeta"]) == ["b", "a"]


def test_a_blanked_document_was_never_fetched() -> None:
    """Null, absent, ``""`` and ``[]`` all mean "unknown", and none becomes a zero."""
    blanks: list[dict[str, Any]] = [
        dict.fromkeys(WORKER_KEYS),
        dict.fromkeys(WORKER_KEYS, ""),
        {"participants": [], "commits_over_52": []},
    ]
    editors = {key: value for key, value in seed().items() if key not in WORKER_KEYS}
    for blank in blanks:
        read = entry(editors | blank)
        assert read.observed is None
        assert read.complete
    document = written(stored(entry(editors)))
    assert {key: document[key] for key in WORKER_KEYS} == {
        "last_updated": None,
        "last_fetched": None,
        "pypi_version": None,
        "repo_forks": None,
        "repo_description": "",
        "repo_watchers": None,
        "commits_over_52": [],
        "participants": [],
    }


def test_zero_is_known() -> None:
    """A repository with zero stars differs from one that was never fetched."""
    assert entry({"slug": "x", "repo_watchers": 0}).observed == DocumentValues(repo_watchers=0)


def test_a_title_is_the_slug_where_there_is_none() -> None:
    """A slug is the only required field."""
    assert entry({"slug": "x"}) == CatalogueEntry(slug="x", title="x")


def test_fetched_values_precede_imported_ones() -> None:
    """Stars, forks, description, head's date, version and weeks come from the sources after a response."""
    head = datetime(2026, 2, 15, 12, 0, tzinfo=UTC)
    stats = RepoStats("n", "1", "o/r", 5, 6, 7, "", False, False, False, "main", "abc", head, head)
    days = CommitDays(TODAY - timedelta(days=10), (1,) * 10)
    versions = ProjectVersions("x", "9.9", (), 1, ProjectInfo(None, (), None, "https://docs.example"), None)
    package = replace(stored(entry(seed())), stats=stats, versions=versions, commit_days=days)
    document = written(package)
    assert (document["repo_watchers"], document["repo_forks"], document["repo_description"]) == (5, 6, "")
    assert (document["last_updated"], document["pypi_version"]) == ("2026-02-15T07:00:00-05:00", "9.9")
    assert document["commits_over_52"] == list(rolling_weeks(days, TODAY))
    assert document["documentation_url"] == seed()["documentation_url"]
    assert document["modified"] == seed()["modified"]


@pytest.mark.parametrize(
    ("editors", "found", "printed"),
    [
        ("https://e", "https://p", "https://e"),
        (None, "https://p", "https://p"),
        ("", "https://p", "https://p"),
        (None, None, None),
        ("", None, ""),
    ],
)
def test_documentation_link(editors: str | None, found: str | None, printed: str | None) -> None:
    """The editor's own link stays; an empty one is filled from the index, or otherwise left empty."""
    versions = ProjectVersions("x", None, (), None, ProjectInfo(None, (), None, found), None)
    package = replace(stored(entry(seed() | {"documentation_url": editors})), versions=versions)
    assert written(package)["documentation_url"] == printed


@pytest.mark.parametrize(("empty", "shown"), [(True, None), (False, seed()["last_updated"])])
def test_last_updated_without_a_head(*, empty: bool, shown: str | None) -> None:
    """An empty repository has no last commit; statistics without one keep the known date."""
    stats = RepoStats("n", "1", "o/r", 5, 6, 7, "", False, False, empty, None, None, None, None)
    assert written(replace(stored(entry(seed())), stats=stats))["last_updated"] == shown


@pytest.mark.parametrize(
    ("time", "printed"),
    [
        ("2026-07-01T12:00:00Z", "2026-07-01T08:00:00-04:00"),
        ("2026-01-01T12:00:00.000100+00:00", "2026-01-01T07:00:00.000100-05:00"),
        ("2025-11-02T01:30:00-04:00", "2025-11-02T01:30:00-04:00"),
        ("2025-11-02T01:30:00-05:00", "2025-11-02T01:30:00-05:00"),
    ],
)
def test_times_are_the_directory_s(time: str, printed: str) -> None:
    """Times are in the directory's zone with summer time, with microseconds only if there are any."""
    assert written(stored(entry(seed() | {"created": time})))["created"] == printed


deep: Any = []
for _ in range(50):
    deep = [deep]


@pytest.mark.parametrize(
    ("change", "field", "got"),
    [
        ({"slug": None}, "slug", "null"),
        ({"slug": ""}, "slug", "''"),
        ({"slug": "a b"}, "slug", "'a b'"),
        ({"slug": "x" * 256}, "slug", "..."),
        ({"id": 0}, "id", "0"),
        ({"id": True}, "id", "true"),
        ({"id": 1.0}, "id", "1.0"),
        ({"id": "7"}, "id", "'7'"),
        ({"id": 2**63}, "id", str(2**63)),
        ({"id": 10**5000}, "id", "an integer of 16610 bits"),
        ({"title": 5}, "title", "5"),
        ({"repo_url": ["x"]}, "repo_url", "a list of 1 items"),
        ({"created": "yesterday"}, "created", "'yesterday'"),
        ({"created": ""}, "created", "''"),
        ({"modified": "2026-01-28T14:11:50"}, "modified", "'2026-01-28T14:11:50'"),
        ({"modified": 5}, "modified", "5"),
        ({"last_fetched": "0001-01-01T00:00:00+14:00"}, "last_fetched", "'0001-01-01T00:00:00+14:00'"),
        ({"repo_watchers": -1}, "repo_watchers", "-1"),
        ({"repo_watchers": "5"}, "repo_watchers", "'5'"),
        ({"repo_forks": False}, "repo_forks", "false"),
        ({"repo_forks": 2**31}, "repo_forks", str(2**31)),
        ({"commits_over_52": [0] * 51}, "commits_over_52", "a list of 51 items"),
        ({"commits_over_52": [0] * 51 + [-1]}, "commits_over_52[51]", "-1"),
        ({"commits_over_52": {}}, "commits_over_52", "an object of 0 keys"),
        ({"participants": "a,b"}, "participants", "'a,b'"),
        ({"participants": ["a", None]}, "participants[1]", "null"),
        ({"participants": ["a\x00"]}, "participants[0]", r"'\x00' at character 2"),
        ({"title": "a\ud800"}, "title", r"'\ud800' at character 2"),
        ({"grids": [float("nan")]}, "grids", "nan"),
        ({"category": float("inf")}, "category", "inf"),
        ({"other": {"x": ["\x00"]}}, "'other'", r"'\x00' at character 1"),
        ({"oth\x00er": 1}, r"'oth\x00er'", r"'\x00' at character 4"),
        ({"other": deep}, "'other'", "more"),
        ({"other": 10**400}, "'other'", "an integer of 1329 bits"),
        ({"other": object()}, "'other'", "a value of type object"),
        ({5: 1}, "document", "5"),
    ],
)
def test_a_bad_record_is_named(change: dict[Any, Any], field: str, got: str) -> None:
    """The message has the field and its value: short, printable and without a text that may be a secret."""
    bad = read_document(seed() | change)
    assert isinstance(bad, BadRecord)
    assert bad.field == field
    assert got in bad.got
    assert bad.got.isprintable()


@pytest.mark.parametrize("raw", [None, 5, "x", [], True, float("nan"), pytest.param(10**5000, id="huge")])
def test_a_document_is_an_object(raw: object) -> None:
    """Any value that is not an object is one bad record."""
    bad = read_document(raw)
    assert isinstance(bad, BadRecord)
    assert (bad.field, bad.expected) == ("document", "an object")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("2026-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), values, max_size=6))
def test_any_change_of_a_document_ends_in_an_entry_or_a_bad_record(change: dict[str, Any]) -> None:
    """A changed document that is read can be written and read again as the same entry, or is a bad record."""
    read = read_document(seed() | change)
    if isinstance(read, CatalogueEntry):
        again = read_document(json.loads(dump(written(stored(read)))))
        assert again == read
    else:
        assert read.got.isprintable()


@given(values)
def test_any_value_ends_in_an_entry_or_a_bad_record(raw: Any) -> None:
    """Any JSON gives an entry or a bad record."""
    assert isinstance(read_document(raw), CatalogueEntry | BadRecord)


def test_several_documents_are_printed_as_a_list() -> None:
    """A list of documents is printed in the same manner as one, and can be read again."""
    documents = [json.loads(path.read_text()) for path in DOCUMENTS]
    assert json.loads(dump(documents)) == documents
