"""Log-in, refresh and retry: only by the operator, and only from pages of this site."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from fetcher.domain.errors import BrokerError
from fetcher.domain.model import Source
from fetcher.web import make_app
from fetcher.web.session import COOKIE, MAX_AGE, Sessions, local_path
from tests.component.web.conftest import TOKEN, Browser, Harness
from tests.harness.stores import NOW, failed

REFRESH, RETRY = "/packages/a/refresh", "/failures/retry"


@pytest.fixture(autouse=True)
def _package(harness: Harness) -> None:
    harness.catalogue.add("a", "b")


def test_refresh_by_the_button(harness: Harness) -> None:
    """The form requests one refresh and redirects to the package, whose page shows it."""
    csrf = harness.log_in()
    answer = harness.client.post(REFRESH, data={"csrf": csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/packages/a")
    assert len(harness.runtime.sent) == 1
    assert "<strong>Queued</strong>" in harness.client.get("/packages/a").text
    assert "/packages/a" in harness.client.get("/").text


def test_attributes_of_the_session_cookie(harness: Harness) -> None:
    """The cookie is HttpOnly and SameSite, Secure over TLS, and does not contain the token."""
    answer = harness.client.post("/login", data={"token": TOKEN, "next": "/packages/a"})
    assert answer.headers["location"] == "/packages/a"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Max-Age={MAX_AGE}" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    secure = harness.client.post("https://directory.test/login", data={"token": TOKEN})
    assert "Secure" in secure.headers["set-cookie"]


def test_a_wrong_token(harness: Harness) -> None:
    """The form shows an error, and no session is opened."""
    answer = harness.client.post("/login", data={"token": "wrong"})
    assert answer.status_code == 403
    assert "This is not the operator&#39;s token." in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", [REFRESH, RETRY])
def test_without_a_session(harness: Harness, path: str) -> None:
    """The user is redirected to the login, and no refresh is requested."""
    answer = harness.client.post(path, data={"slug": "a", "csrf": "x", "back": "/failures"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/failures")
    assert harness.runtime.sent == []


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        ({}, {}),
        ({"csrf": "guessed"}, {}),
        ({"csrf": "ours"}, {"Origin": "http://elsewhere.test"}),
        ({"csrf": "ours"}, {"Origin": "null"}),
        ({"csrf": "ours"}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": "ours"}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
@pytest.mark.parametrize("path", [REFRESH, RETRY, "/logout"])
def test_a_form_of_another_site(harness: Harness, path: str, data: dict[str, str], headers: dict[str, str]) -> None:
    """A form without the session's CSRF token, or from another origin, is refused despite its cookie."""
    csrf = harness.log_in()
    sent = {name: csrf if value == "ours" else value for name, value in data.items()}
    answer = harness.client.post(path, data={**sent, "slug": "a"}, headers=headers)
    assert answer.status_code == 403
    assert harness.runtime.sent == []


def test_a_login_from_another_site(harness: Harness) -> None:
    """A form of another site cannot log a user in."""
    answer = harness.client.post("/login", data={"token": TOKEN}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_session_ends(harness: Harness) -> None:
    """A session ends by logging out, by a new token, and by a changed cookie."""
    csrf = harness.log_in()
    cookie = harness.client.cookie(COOKIE)
    harness.client.post("/logout", data={"csrf": csrf})
    assert "Log out" not in harness.client.get("/").text
    for sessions, value in (
        (Sessions(SecretStr("another")), cookie),
        (harness.context.sessions, cookie[:-9] + ("A" if cookie[-9] != "A" else "B") + cookie[-8:]),
        (Sessions(None), cookie),
    ):
        client = Browser(make_app(replace(harness.context, sessions=sessions)))
        answer = client.get("/", headers={"Cookie": f"{COOKIE}={value}"})
        assert "Log out" not in answer.text
        client.close()


def test_retry(harness: Harness) -> None:
    """Retry refreshes a package or all of a kind, except retired ones. A form that names none is refused."""
    ids = harness.store.packages.ids(["a", "b"])
    harness.store.claims.record([failed(ids["a"], Source.REPOSITORY), failed(ids["b"], Source.REPOSITORY, "gone")])
    csrf = harness.log_in()
    text = harness.client.get("/failures").text
    assert 'aria-label="Retry a"' in text
    assert "Retry all missing" in text
    for data, wanted in (({"slug": "a"}, [ids["a"]]), ({"kind": "missing"}, [ids["b"]])):
        harness.runtime.sent.clear()
        answer = harness.client.post(RETRY, data={"csrf": csrf, **data})
        assert (answer.status_code, answer.headers["location"]) == (303, "/failures?requested=1&open=0&retired=0")
        assert harness.runtime.sent == wanted
        page = harness.client.get(answer.headers["location"]).text
        assert "<strong>1 package requested.</strong>" in page
        assert "<strong>queued</strong>" in page
    assert harness.client.post(RETRY, data={"csrf": csrf, "kind": "blocked"}).status_code == 400
    harness.store.packages.retire([ids["a"]], NOW)
    assert harness.client.post(RETRY, data={"csrf": csrf, "slug": "a"}).status_code == 409


def test_refresh_without_redis(harness: Harness) -> None:
    """The button leads to a page with status 503 and a remedy."""
    csrf = harness.log_in()
    harness.runtime.error = BrokerError("Redis cannot be reached", "Start it")
    answer = harness.client.post(REFRESH, data={"csrf": csrf})
    assert (answer.status_code, "Start it" in answer.text) == (503, True)


def test_invalid_forms(harness: Harness) -> None:
    """Forms that are too large, not UTF-8, or have too many fields are refused."""
    harness.log_in()
    for body in (b"x" * (2**20 + 1), b"a=\xff\xfe", b"&".join(b"a=1" for _ in range(10_001))):
        assert harness.client.post(REFRESH, content=body).status_code in (400, 403)


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ("/packages/a?x=1", "/packages/a?x=1"),
        ("//elsewhere.test", "/"),
        ("/\\elsewhere.test", "/"),
        ("https://elsewhere.test", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_a_login_redirects_to_this_site(given: str, target: str) -> None:
    """A login redirects only to paths of this site."""
    assert local_path(given) == target
