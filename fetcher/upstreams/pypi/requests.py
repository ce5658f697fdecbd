"""Request builders for a Python package index. Sources: PEP 691 (Simple's JSON form), the index's JSON API reference.

The root's address is a setting. Its default comes from the library pypi-simple, so that no address is hard-coded.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from packaging.utils import canonicalize_name

from fetcher.domain.model import Validators
from fetcher.http.messages import Request
from fetcher.upstreams.pypi.limits import PYPI, Route

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SIMPLE_FORMS = f"{SIMPLE_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
"""JSON if an index has it, otherwise HTML. Source: PEP 691, "Version + Format Selection"."""

PROJECT_BYTES = 32 * 1024 * 1024
"""Size limit of a project's response. The largest (nightly builds with tens of thousands of files) have some 20 MiB."""

ROOT_BYTES = 256 * 1024 * 1024
"""Size limit of the root, which lists every project: some 60 MB in 2026, and growing. It is streamed, never stored."""

ROOT_SECONDS = 100.0
"""Time limit of the root in seconds, below a task's own limit. A task ended by its limit records nothing and starts
over.
"""

FEED_BYTES = 1024 * 1024
"""Size limit of the feed of new releases, which has some 60 KB. A larger body is refused unread."""

FEED_FORMS = "application/rss+xml, application/xml;q=0.9, text/xml;q=0.9"

_UNCONDITIONAL = Validators()


def json_request(root: str, project: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Build the JSON API's request for one project: everything except the project's status."""
    return Request(
        upstream=PYPI,
        resource=PYPI,
        route=Route.JSON,
        url=f"{root.rstrip('/')}/pypi/{_quoted(project)}/json",
        headers=_headers("application/json", validators),
        max_bytes=PROJECT_BYTES,
    )


def simple_request(root: str, project: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Build the Simple API's request for one project: files and status, but no summary, classifiers or links.

    The JSON form is preferred, the HTML form accepted.
    """
    return Request(
        upstream=PYPI,
        resource=PYPI,
        route=Route.SIMPLE,
        url=f"{root.rstrip('/')}/simple/{_quoted(project)}/",
        headers=_headers(SIMPLE_FORMS, validators),
        max_bytes=PROJECT_BYTES,
    )


def root_request(root: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Build the request for every project with its serial, in one response to stream into a ``SerialFeed``."""
    return Request(
        upstream=PYPI,
        resource=PYPI,
        route=Route.ROOT,
        url=f"{root.rstrip('/')}/simple/",
        headers=_headers(SIMPLE_JSON, validators),
        max_bytes=ROOT_BYTES,
        timeout=ROOT_SECONDS,
    )


def feed_request(root: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Build the request for the newest releases of all projects."""
    return Request(
        upstream=PYPI,
        resource=PYPI,
        route=Route.FEED,
        url=f"{root.rstrip('/')}/rss/updates.xml",
        headers=_headers(FEED_FORMS, validators),
        max_bytes=FEED_BYTES,
    )


def _quoted(project: str) -> str:
    return quote(canonicalize_name(project), safe="", errors="replace")


def _headers(accept: str, validators: Validators) -> Mapping[str, str]:
    headers = {"accept": accept}
    if validators.etag:
        headers["if-none-match"] = validators.etag
    if validators.last_modified:
        headers["if-modified-since"] = validators.last_modified
    return headers
