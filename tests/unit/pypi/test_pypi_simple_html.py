"""Reader of Simple's response about one project in its HTML form, and of other web pages."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher.domain.model import ProjectStatus, ProjectVersions
from fetcher.domain.outcome import Fetched, Gone, Malformed, NotModified
from fetcher.http.messages import Response
from fetcher.upstreams.pypi import read_simple
from tests.harness.clock import NOW

DATA = Path(__file__).parents[2] / "data" / "pypi"
PAGE = (DATA / "simple_project.html").read_bytes()
HTML = "text/html; charset=utf-8"
VERSION = '<meta name="pypi:repository-version" content="1.4">'


def read(body: bytes | str, kind: str = HTML, project: str = "lesscpy", **headers: str) -> object:
    raw = body if isinstance(body, bytes) else body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_simple(Response(200, {"content-type": kind, **named}, raw), project, url="u", now=NOW)


def versions(body: bytes | str, kind: str = HTML, project: str = "lesscpy", **headers: str) -> ProjectVersions:
    outcome = read(body, kind, project, **headers)
    assert isinstance(outcome, Fetched), outcome
    assert isinstance(outcome.value, ProjectVersions)
    return outcome.value


def link(name: str = "lesscpy-1.0.tar.gz", attributes: str = "") -> str:
    return f'<a href="../../files/{name}#sha256=00" {attributes}>{name}</a><br/>\n'


def test_both_forms_have_the_same_releases() -> None:
    """HTML gives all values of the JSON form except upload times and releases without a file."""
    body = (DATA / "simple_project.json").read_bytes()
    by_json = versions(body, "application/vnd.pypi.simple.v1+json")
    by_html = versions(PAGE)
    filed = [one for one in by_json.releases if one.files]
    assert [(one.number, one.files) for one in by_html.releases] == [(one.number, one.files) for one in filed]
    assert [(one.yanked, one.yanked_reason, one.requires_python, one.prerelease) for one in by_html.releases] == [
        (one.yanked, one.yanked_reason, one.requires_python, one.prerelease) for one in filed
    ]
    assert {one.uploaded_at for one in by_html.releases} == {None}
    assert (by_html.name, by_html.latest, by_html.info) == (by_json.name, by_json.latest, None)
    assert by_html.status is by_json.status is ProjectStatus.ARCHIVED


@pytest.mark.parametrize(
    "kind",
    ["text/html", "TEXT/HTML;charset=utf-8", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml", ""],
)
def test_the_content_types_of_html(kind: str) -> None:
    """A page is recognised by its content type, or by its first character if that is not specific."""
    assert versions(b" \n" + PAGE, kind).latest == "0.15.1"


def test_a_serial_and_a_name_of_another_spelling() -> None:
    """The serial comes from the header, and file names match by PEP 503's spelling."""
    found = versions(link("Zope.Interface-7.0.tar.gz"), project="zope-interface", x_pypi_last_serial="12")
    assert (found.name, found.latest, found.serial) == ("zope-interface", "7.0", 12)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", (False, None)),
        ("data-yanked", (True, None)),
        ('data-yanked=""', (True, None)),
        ('data-yanked="a &lt;b&gt; &amp; c"', (True, "a <b> & c")),
    ],
)
def test_yanked_is_an_attribute(attributes: str, expected: tuple[bool, str | None]) -> None:
    """The attribute yanks, with or without a reason (PEP 592)."""
    found = versions(link(attributes=attributes)).releases[0]
    assert (found.yanked, found.yanked_reason) == expected


@pytest.mark.parametrize(
    ("written", "uploaded"),
    [
        ("2026-10-29T09:05:47Z", datetime(2026, 10, 29, 9, 5, 47, tzinfo=UTC)),
        ("2013-10-01T15:21:37.249532Z", datetime(2013, 10, 1, 15, 21, 37, 249532, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_upload_time_that_a_mirror_adds(written: str, uploaded: datetime | None) -> None:
    """``data-upload-time`` is read, which some mirrors write without a specification."""
    assert versions(link(attributes=f'data-upload-time="{written}"')).releases[0].uploaded_at == uploaded


def test_requires_python_is_unescaped() -> None:
    """The attribute is unescaped from HTML."""
    found = versions(link(attributes='data-requires-python="&gt;=3.9,!=3.10.*"'))
    assert found.releases[0].requires_python == ">=3.9,!=3.10.*"


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="https://files.example/a/b/lesscpy-1.0.tar.gz#sha256=00">lesscpy-1.0.t..&gt;</a>',
        '<a href="lesscpy-1.0.tar.gz?token=a/b">x</a>',
        '<a href="lesscpy-1%2E0.tar.gz">x</a>',
        '<a href="/download/17">lesscpy-1.0.tar.gz</a>',
        "<A HREF=/download/17> <b>lesscpy-1.0</b>.tar.gz\n</A>",
        '<a href="lesscpy-1.0.tar.gz"><a href="x">y</a>',
        '<li><a href="lesscpy-1.0.tar.gz">x',
        '<base href="http://["><a href="lesscpy-1.0.tar.gz">x</a>',
        '\ufeff<p><a name="top"></a><a href="lesscpy-1.0.tar.gz" data-yanked-not>x</a>',
    ],
)
def test_names_of_files(markup: str) -> None:
    """The name comes from the address, as in pip, or from the text, in any markup."""
    assert [one.number for one in versions(markup).releases] == ["1.0"]


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        ("", None),
        (VERSION, ProjectStatus.ACTIVE),
        ('<meta name="pypi:repository-version" content="1.3">', None),
        ('<meta name="pypi:project-status" content="deprecated">', ProjectStatus.DEPRECATED),
        (VERSION + '<meta name="pypi:project-status" content="haunted">', None),
        ('<meta name="pypi:repository-version" content="1.99">', ProjectStatus.ACTIVE),
        ('<meta name="pypi:repository-version" content="soon">', None),
    ],
)
def test_status_as_in_the_json_form(meta: str, status: ProjectStatus | None) -> None:
    """The ``meta`` tag is read; without it a project is active only if the version has status markers (PEP 792)."""
    assert versions(meta + link()).status is status


@pytest.mark.parametrize("status", ["quarantined", "active"])
def test_a_listing_without_any_link(status: str) -> None:
    """An empty page that declares itself a listing is valid: a quarantined project, or one without releases."""
    found = versions(f'{VERSION}<meta name="pypi:project-status" content="{status}"><h1>Links for lesscpy</h1>')
    assert (found.latest, found.releases, found.status) == (None, (), ProjectStatus(status))


LOGIN = '<!DOCTYPE html><html><body><form action="/login"><a href="/forgot">Forgot?</a></form></body></html>'
ROOT = f'<html>{VERSION}<body><a href="/simple/lesscpy/">lesscpy</a><a href="/simple/x/">x</a></body></html>'


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (LOGIN, "expected a listing with files of lesscpy, got a page without one that begins '<!DOCTYPE html>"),
        (ROOT, "got a page without one"),
        ("<h1>503 Service Unavailable</h1>", "got a page without one"),
        ("", "got a page without one that begins an empty body"),
        (link("other-1.0.tar.gz"), "got a page without one"),
        (VERSION + link("README"), "got a page without one"),
        ('<meta name="pypi:repository-version" content="2.0">' + link(), "expected version 1.x, got 2.0"),
        ("<html>" + link(), "HTML that is cut off"),
        (link() + '<a href="lesscpy-2.0.t', "HTML that is cut off"),
        (link() + "<!-- " + link(), "HTML that is cut off"),
        (link() + "<![x[y", "HTML that cannot be parsed"),
        ("<b>" * 500_001, "HTML with more than 500000 tags"),
    ],
)
def test_a_page_that_is_no_listing(page: str, reason: str) -> None:
    """A login page, a root, an error page or half a listing is not a project without releases."""
    outcome = read(page)
    assert isinstance(outcome, Malformed)
    assert outcome.reason.startswith("Simple API: expected")
    assert reason in outcome.reason
    assert outcome.reason.isprintable()


def test_statuses_count_before_the_form() -> None:
    """A 404 means gone and a 304 unchanged, with any page as body."""
    headers = {"content-type": HTML}
    gone = read_simple(Response(404, headers, LOGIN.encode()), "lesscpy", url="u", now=NOW)
    assert gone == Gone("the index returned 404: it knows no such project")
    assert read_simple(Response(304, headers, b""), "lesscpy", url="u", now=NOW) == NotModified()


@pytest.mark.parametrize(
    "piece",
    [
        "<a href=x>",
        "<b></x>",
        "<!-- >",
        "<",
        "<a ",
        "<!--",
        "</",
        "<![CDATA[",
        "<?",
        "<script>",
        "x<b>",
        "&#x",
        "<a =>",
    ],
)
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    """Half a megabyte of any repeated piece inside a link is parsed long before the suite's timeout."""
    assert isinstance(read("<a href=x>" + piece * (500_000 // len(piece))), Malformed)


def test_the_parser_is_imported_for_html_alone() -> None:
    """The JSON form is read without importing pypi-simple, which takes a tenth of a second."""
    code = (
        "import sys; from datetime import datetime, UTC\n"
        "from fetcher.upstreams.pypi import read_simple\nfrom fetcher.http.messages import Response\n"
        "def read(kind, body): read_simple(Response(200, {'content-type': kind}, body), 'x', url='u',"
        " now=datetime.now(UTC))\n"
        "read('application/json', b'{}'); assert 'bs4' not in sys.modules and 'pypi_simple' not in sys.modules\n"
        "read('text/html', b'<p>'); assert 'pypi_simple' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
