"""Requests to an index: address, form and condition."""

from __future__ import annotations

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from fetcher.domain.model import Validators
from fetcher.settings import default_index_root
from fetcher.upstreams.pypi import json_request, root_request, simple_request
from fetcher.upstreams.pypi.limits import PYPI

ROOT = "https://index.example"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


def test_default_root_is_that_of_the_library() -> None:
    """The root comes from pypi-simple, not from a hard-coded address, and leads back to its endpoint."""
    assert root_request(default_index_root()).url == PYPI_SIMPLE_ENDPOINT


@pytest.mark.parametrize("root", [ROOT, ROOT + "/"])
def test_names_are_canonical_and_quoted(root: str) -> None:
    """A name is requested in PEP 503's form, so that no redirect is needed, and stays within its path segment."""
    assert json_request(root, "Foo.Bar__baz").url == f"{ROOT}/pypi/foo-bar-baz/json"
    assert simple_request(root, "Foo.Bar__baz").url == f"{ROOT}/simple/foo-bar-baz/"
    assert json_request(root, "a/../b?c#d é").url == f"{ROOT}/pypi/a%2F-%2Fb%3Fc%23d%20%C3%A9/json"
    assert json_request(root, "\ud800").url == f"{ROOT}/pypi/%3F/json"


def test_the_json_form_is_preferred() -> None:
    """A project's request accepts HTML if the index lacks JSON; the root's, which lists serials, only JSON."""
    accepted = f"{SIMPLE_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
    assert simple_request(ROOT, "x").headers == {"accept": accepted}
    assert root_request(ROOT).headers == {"accept": SIMPLE_JSON}
    assert json_request(ROOT, "x").headers == {"accept": "application/json"}


def test_validators_make_a_request_conditional() -> None:
    """Both validators are sent; an index uses the one it supports."""
    validators = Validators('"abc"', "Tue, 10 Nov 2026 10:00:00 GMT")
    for request in (
        json_request(ROOT, "x", validators),
        simple_request(ROOT, "x", validators),
        root_request(ROOT, validators),
    ):
        assert request.headers["if-none-match"] == '"abc"'
        assert request.headers["if-modified-since"] == "Tue, 10 Nov 2026 10:00:00 GMT"


def test_every_request_is_bounded_and_counted_as_the_index_s() -> None:
    """Each request has a body limit and a known route; the streamed root has its own time limit."""
    requests = [json_request(ROOT, "x"), simple_request(ROOT, "x"), root_request(ROOT)]
    assert {request.upstream for request in requests} == {PYPI}
    assert {request.resource for request in requests} == {PYPI}
    assert [request.route for request in requests] == ["pypi_json", "pypi_simple", "pypi_root"]
    assert [request.max_bytes >> 20 for request in requests] == [32, 32, 256]
    assert requests[2].timeout is not None
