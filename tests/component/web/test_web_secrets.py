"""Addresses with a user name and a password: no page and no response of the API contains them."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from tests.component.web.conftest import Harness

SECRET = "pwSECRET"
INDEX = urlsplit(PYPI_SIMPLE_ENDPOINT).netloc


@pytest.mark.parametrize("host", ["github.com", "gitlab.example"])
def test_no_page_shows_an_editors_password(harness: Harness, host: str) -> None:
    harness.catalogue.add(
        "alpha",
        repo_url=f"https://user:{SECRET}@{host}/a/b",
        pypi_url=f"https://{SECRET}@{INDEX}/project/alpha/",
        documentation_url=f"https://{SECRET}@docs.example/",
    )
    paths = ("/", "/packages", "/packages/alpha", "/failures", "/api/v4/packages/", "/api/v4/packages/alpha/")
    answers = [harness.client.get(path) for path in (*paths, f"/packages?search={host}")]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert f"https://{host}/a/b" in answers[2].text
    assert all(SECRET not in answer.text for answer in answers)
