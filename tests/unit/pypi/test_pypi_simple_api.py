"""Reader of Simple's response about one project, in its JSON form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fetcher.domain.model import ProjectStatus, ProjectVersions
from fetcher.domain.outcome import Fetched, Malformed
from fetcher.http.messages import Response
from fetcher.upstreams.pypi import merge, read_json, read_simple
from tests.harness.clock import NOW

DATA = Path(__file__).parents[2] / "data" / "pypi"
RECORDED = (DATA / "simple_project.json").read_bytes()
SIMPLE_JSON = {"content-type": "application/vnd.pypi.simple.v1+json"}


def read(body: bytes | dict[str, Any], **headers: str) -> object:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_simple(Response(200, SIMPLE_JSON | named, raw), "lesscpy", url="u", now=NOW)


def versions(body: bytes | dict[str, Any], **headers: str) -> ProjectVersions:
    outcome = read(body, **headers)
    assert isinstance(outcome, Fetched)
    assert isinstance(outcome.value, ProjectVersions)
    return outcome.value


def listing(*files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "lesscpy", "meta": {"api-version": "1.1"}, "files": list(files)} | changes


def test_both_apis_return_the_same_releases() -> None:
    """For a project recorded from both APIs, Simple gives all of JSON's values except information and status."""
    body = (DATA / "json_project.json").read_bytes()
    by_json = read_json(Response(200, {"content-type": "application/json"}, body), "lesscpy", url="u", now=NOW)
    assert isinstance(by_json, Fetched)
    by_simple = versions(RECORDED)
    assert by_simple.releases == by_json.value.releases
    assert by_simple.latest == by_json.value.latest == "0.15.1"
    assert by_simple.serial == by_json.value.serial
    assert (by_simple.info, by_simple.status) == (None, ProjectStatus.ARCHIVED)
    merged = merge(by_json.value, by_simple)
    assert merged.releases == by_json.value.releases
    assert (merged.info, merged.status) == (by_json.value.info, ProjectStatus.ARCHIVED)


@pytest.mark.parametrize(
    ("version", "status", "read_as"),
    [
        ("1.4", None, ProjectStatus.ACTIVE),
        ("1.10", None, ProjectStatus.ACTIVE),
        ("1.3", None, None),
        (None, None, None),
        ("1.4", {"status": "quarantined", "reason": "malware"}, ProjectStatus.QUARANTINED),
        ("1.3", {"status": "deprecated"}, ProjectStatus.DEPRECATED),
        ("1.4", {"status": "haunted"}, None),
        ("1.4", {}, ProjectStatus.ACTIVE),
    ],
)
def test_status_is_active_only_where_the_index_reports_it(
    version: str | None, status: dict[str, str] | None, read_as: ProjectStatus | None
) -> None:
    """Before Simple 1.4 a missing marker means unknown, and so does an unknown marker."""
    body = listing(meta={"api-version": version})
    if status is not None:
        body["project-status"] = status
    assert versions(body).status is read_as


@pytest.mark.parametrize(
    ("yanked", "expected"),
    [(False, (False, None)), (None, (False, None)), (True, (True, None)), ("", (True, None)), ("bad", (True, "bad"))],
)
def test_yanked_is_a_reason_or_a_truth(yanked: object, expected: tuple[bool, str | None]) -> None:
    """Any string yanks, even an empty one (PEP 592)."""
    found = versions(listing({"filename": "lesscpy-1.0.tar.gz", "yanked": yanked})).releases[0]
    assert (found.yanked, found.yanked_reason) == expected


def test_a_quarantined_project_has_nothing_to_show() -> None:
    """A quarantine removes every file and keeps the project: no release, no latest, no failure."""
    found = versions(listing(versions=[], **{"project-status": {"status": "quarantined"}}))
    assert (found.latest, found.releases, found.status) == (None, (), ProjectStatus.QUARANTINED)


def test_junk_among_the_files_is_left_out() -> None:
    """Files of no release or of another project are left out."""
    names = ["lesscpy-1.0.tar.gz", "README", "", "other-2.0.tar.gz", "lesscpy.tar.gz", "-.whl", "\x00" * 9, "a" * 9999]
    found = versions(listing(*({"filename": name} for name in names)))
    assert [(one.number, one.files) for one in found.releases] == [("1.0", 1)]


def test_a_serial_may_come_from_the_header_alone() -> None:
    """An index that serves Simple without ``_last-serial`` may still send the header."""
    assert versions(listing(), x_pypi_last_serial="12").serial == 12
    assert versions(listing()).serial is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (RECORDED[:-20], "expected JSON, got"),
        (b'{"name":"lesscpy"}', "Simple API: expected files, got none"),
        (b'{"name":"lesscpy","files":{}}', "at files, got an object"),
        (b'{"name":"x","files":[]}', "expected the project lesscpy, got x"),
        (b'{"name":"lesscpy","files":[],"meta":{"api-version":"2.0"}}', "expected version 1.x, got 2.0"),
    ],
)
def test_another_shape_is_malformed(body: bytes, reason: str) -> None:
    """A listing that is truncated, lacks its files, or has a future major version is malformed (PEP 629)."""
    outcome = read(body)
    assert isinstance(outcome, Malformed)
    assert reason in outcome.reason
