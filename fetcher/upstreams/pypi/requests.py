"""Build requests for a Python package index. Sources: PEP 691 (JSON form of Simple), the index's JSON API reference.

The root's address is a setting; by default it comes from the library pypi-simple, so that none is written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from packaging.utils import canonicalize_name

from fetcher.domain.model import Upstream, Validators
from fetcher.http.messages import Request, Resource, Route

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SIMPLE_FORMS = f"{SIMPLE_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
"""JSON where an index has it, else HTML. Source: PEP 691, "Version + Format Selection"."""

PROJECT_BYTES = 32 * 1024 * 1024
"""The largest projects (nightly builds with tens of thousands of files) answer some 20 MiB."""

ROOT_BYTES = 256 * 1024 * 1024
"""The root lists every project: some 60 MB in 2026, and growing. It is streamed, never held."""

ROOT_SECONDS = 100.0
"""Less than a task may take: one that is cut off at its own limit would note nothing, and begin it all again."""

_UNCONDITIONAL = Validators()


def json_request(root: str, project: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """One project by the JSON API: everything but the project's status."""
    return Request(
        upstream=Upstream.PYPI,
        resource=Resource.PYPI,
        route=Route.PYPI_JSON,
        url=f"{root.rstrip('/')}/pypi/{_quoted(project)}/json",
        headers=_headers("application/json", validators),
        max_bytes=PROJECT_BYTES,
    )


def simple_request(root: str, project: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Request one project of the Simple API: files and status, but no summary, classifiers or links.

    The JSON form is preferred, the HTML form accepted.
    """
    return Request(
        upstream=Upstream.PYPI,
        resource=Resource.PYPI,
        route=Route.PYPI_SIMPLE,
        url=f"{root.rstrip('/')}/simple/{_quoted(project)}/",
        headers=_headers(SIMPLE_FORMS, validators),
        max_bytes=PROJECT_BYTES,
    )


def root_request(root: str, validators: Validators = _UNCONDITIONAL) -> Request:
    """Every project with its serial, in one answer: to be streamed into a ``SerialFeed``."""
    return Request(
        upstream=Upstream.PYPI,
        resource=Resource.PYPI,
        route=Route.PYPI_ROOT,
        url=f"{root.rstrip('/')}/simple/",
        headers=_headers(SIMPLE_JSON, validators),
        max_bytes=ROOT_BYTES,
        timeout=ROOT_SECONDS,
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
