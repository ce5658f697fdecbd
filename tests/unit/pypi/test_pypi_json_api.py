"""Reader of the JSON API's response about one project."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fetcher.domain.model import ProjectInfo, ProjectVersions, Release, Validators
from fetcher.domain.outcome import Fetched, Malformed
from fetcher.http.messages import Response
from fetcher.upstreams.pypi import Partial, read_json
from tests.harness.clock import NOW

DATA = Path(__file__).parents[2] / "data" / "pypi"
RECORDED = (DATA / "json_project.json").read_bytes()


def read(body: bytes | dict[str, Any], project: str = "lesscpy", **headers: str) -> object:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_json(Response(200, {"content-type": "application/json"} | named, raw), project, url="u", now=NOW)


def versions(body: dict[str, Any], **headers: str) -> ProjectVersions:
    outcome = read(body, **headers)
    assert isinstance(outcome, Fetched)
    assert isinstance(outcome.value, ProjectVersions)
    return outcome.value


def project(**changes: Any) -> dict[str, Any]:
    return {"info": {"name": "lesscpy"}, "releases": {}} | changes


def test_a_recorded_response_is_read_in_full() -> None:
    """The latest release, ordered releases with legacy ones first, information, serial and validators are read."""
    outcome = read(RECORDED, etag='W/"5"', last_modified="Fri, 20 Nov 2026 10:00:00 GMT")
    assert isinstance(outcome, Fetched)
    assert outcome.validators == Validators('W/"5"', "Fri, 20 Nov 2026 10:00:00 GMT")
    value = outcome.value
    assert (value.name, value.latest, value.serial, value.status) == ("lesscpy", "0.15.1", 15539521, None)
    assert [release.number for release in value.releases] == ["0.9g", "0.9.1", "0.10", "0.15.0", "0.15.1", "1.0b1"]
    assert value.releases[4] == Release(
        number="0.15.1",
        uploaded_at=datetime(2022, 10, 21, 11, 40, 22, 127303, tzinfo=UTC),
        yanked=False,
        yanked_reason=None,
        requires_python=">=3.6",
        prerelease=False,
        files=2,
    )
    assert value.info == ProjectInfo(
        summary="Python LESS compiler",
        classifiers=(
            "Development Status :: 4 - Beta",
            "License :: OSI Approved :: MIT License",
            "Programming Language :: Python :: 3",
            "Topic :: Software Development :: Code Generators",
        ),
        licence="MIT License",
        documentation_url="https://lesscpy.example/en/latest/",
        licence_text="MIT License",
    )


def test_a_release_is_yanked_once_all_its_files_are() -> None:
    """One file that is not yanked keeps a release; a release without files is not yanked."""
    files = [{"yanked": True, "yanked_reason": "bad"}, {"yanked": False}]
    found = versions(project(releases={"1": files, "2": files[:1], "3": []}))
    assert [(one.yanked, one.yanked_reason) for one in found.releases] == [
        (False, None),
        (True, "bad"),
        (False, None),
    ]
    assert found.latest == "1"


def test_without_releases_the_answer_is_partial() -> None:
    """Without the deprecated ``releases`` only the latest is known, and the response is ``Partial``."""
    body = json.loads(RECORDED)
    del body["releases"]
    outcome = read(body, etag='"5"')
    assert isinstance(outcome, Partial)
    assert outcome.validators == Validators('"5"')
    assert [(one.number, one.files) for one in outcome.value.releases] == [("0.15.1", 2)]
    assert outcome.value.latest == "0.15.1"
    assert isinstance(read({"info": {"name": "lesscpy"}}), Partial)


@pytest.mark.parametrize(
    ("stated", "header", "serial"),
    [
        (7, "9", 7),
        (None, "9", 9),
        (None, "", None),
        (None, "x", None),
        (0, "", None),
        (2**63, "", None),
        (None, "²", None),
    ],
)
def test_serial_comes_from_the_body_else_the_header(stated: int | None, header: str, serial: int | None) -> None:
    """A mirror may have neither; an invalid serial counts as none."""
    assert versions(project(last_serial=stated), x_pypi_last_serial=header).serial == serial


@pytest.mark.parametrize(
    ("file", "time"),
    [
        ({"upload_time_iso_8601": "2014-02-02T17:34:58.264902Z"}, datetime(2014, 2, 2, 17, 34, 58, 264902, UTC)),
        ({"upload_time": "2014-02-02T17:34:58"}, datetime(2014, 2, 2, 17, 34, 58, 0, UTC)),
        ({"upload_time_iso_8601": "yesterday"}, None),
        ({"upload_time_iso_8601": "0001-01-01T00:00:00+23:00"}, None),
        ({}, None),
    ],
)
def test_upload_times_are_utc_or_missing(file: dict[str, str], time: datetime | None) -> None:
    """An unreadable time is dropped and keeps the other values."""
    assert versions(project(releases={"1.0": [file]})).releases[0].uploaded_at == time


def test_nothing_that_is_stored_holds_a_nul() -> None:
    """NULs, which PostgreSQL refuses, are removed from every text."""
    nul = "a\x00b"
    info = {"name": "lesscpy", "summary": nul, "classifiers": [nul], "license": nul, "project_urls": {nul: nul}}
    file = {"requires_python": nul, "yanked": True, "yanked_reason": nul}
    found = versions(project(info=info, releases={"1\x000": [file]}))
    assert "\x00" not in repr(found).replace("\\x00", "\x00")
    assert found.info is not None
    assert found.info.summary == "ab"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "JSON API: expected JSON, got an empty body"),
        (RECORDED[:700], 'JSON API: expected JSON, got \'{"info":'),
        (b"<html>\n\x1b[0m", r"JSON API: expected JSON, got '<html>\n\x1b[0m'"),
        (b"\xff\xfe", r"got '\\xff\\xfe'"),
        (b"[" * 100_000, "recursion limit"),
        (b"[]", "got a list"),
        (b"null", "got None"),
        (b'{"releases":{}}', "JSON API: expected info, got none"),
        (b'{"info":{"name":3}}', "JSON API: input should be a valid string at info.name, got a value of type int"),
        (b'{"info":{"name":"lesscpy"},"releases":{"1":[{"yanked":"no"}]}}', "at releases.1.0.yanked, got 'no'"),
        (b'{"info":{"name":"lesscpy"},"last_serial":true}', "at last_serial, got True"),
        (b'{"info":{"name":"other"},"releases":{}}', "JSON API: expected the project lesscpy, got other"),
    ],
)
def test_another_shape_is_malformed(body: bytes, reason: str) -> None:
    """The reason is one line with the expectation, its place and the actual value."""
    outcome = read(body)
    assert isinstance(outcome, Malformed)
    assert reason in outcome.reason
    assert outcome.reason.isprintable()
    assert len(outcome.reason) < 300


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "application/json; charset=utf-8"])
def test_a_server_of_plain_files_is_believed(kind: str) -> None:
    """A mirror of files may send no content type; the body then decides."""
    assert isinstance(read(RECORDED, content_type=kind), Fetched)


def test_a_header_that_cannot_be_sent_back_is_no_validator() -> None:
    """A validator outside printable ASCII would break the next request and is dropped."""
    outcome = read(RECORDED, etag='"é"', last_modified="a\nb")
    assert isinstance(outcome, Fetched)
    assert outcome.validators == Validators()
