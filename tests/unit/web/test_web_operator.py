"""Logging in, refreshing and retrying: only by the operator, only from our own pages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from fetcher.domain.errors import BrokerError
from fetcher.domain.model import Source
from fetcher.web import make_app
from fetcher.web.session import COOKIE, LASTS, Sessions, local_path
from tests.stores import NOW, failed
from tests.unit.web.conftest import TOKEN, Browser, House

REFRESH, RETRY = "/packages/a/refresh", "/failures/retry"


@pytest.fixture(autouse=True)
def _package(house: House) -> None:
    house.catalogue.add("a", "b")


def test_refresh_by_the_button(house: House) -> None:
    """The form asks the workers once and leads back to the package, where the refresh is told."""
    csrf = house.log_in()
    answer = house.client.post(REFRESH, data={"csrf": csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/packages/a")
    assert len(house.workings.sent) == 1
    assert "<strong>Queued</strong>" in house.client.get("/packages/a").text
    assert "/packages/a" in house.client.get("/").text


def test_the_session_is_a_guarded_cookie(house: House) -> None:
    """No script reads it, no other site sends it with a form, and over TLS it never goes without."""
    answer = house.client.post("/login", data={"token": TOKEN, "next": "/packages/a"})
    assert answer.headers["location"] == "/packages/a"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Max-Age={LASTS}" in cookie
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    secure = house.client.post("https://directory.test/login", data={"token": TOKEN})
    assert "Secure" in secure.headers["set-cookie"]


def test_a_wrong_token(house: House) -> None:
    """The form is shown again and says so; no session is opened."""
    answer = house.client.post("/login", data={"token": "wrong"})
    assert answer.status_code == 403
    assert "This is not the operator&#39;s token." in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", [REFRESH, RETRY])
def test_who_is_not_logged_in(house: House, path: str) -> None:
    """Is led to the login, and nothing is asked."""
    answer = house.client.post(path, data={"slug": "a", "csrf": "x", "back": "/failures"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/failures")
    assert house.workings.sent == []


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
def test_a_form_of_another_site(house: House, path: str, data: dict[str, str], headers: dict[str, str]) -> None:
    """Without the session's own mark, or from another origin, it is refused, whatever cookie comes with it."""
    csrf = house.log_in()
    sent = {name: csrf if value == "ours" else value for name, value in data.items()}
    answer = house.client.post(path, data={**sent, "slug": "a"}, headers=headers)
    assert answer.status_code == 403
    assert house.workings.sent == []


def test_a_login_from_another_site(house: House) -> None:
    """Nobody is logged in as somebody else by a form that they did not see."""
    answer = house.client.post("/login", data={"token": TOKEN}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_a_session_ends(house: House) -> None:
    """By logging out, by another token, by a cookie that was changed."""
    csrf = house.log_in()
    cookie = house.client.cookie(COOKIE)
    house.client.post("/logout", data={"csrf": csrf})
    assert "Log out" not in house.client.get("/").text
    for sessions, value in (
        (Sessions(SecretStr("another")), cookie),
        (house.site.sessions, cookie[:-9] + ("A" if cookie[-9] != "A" else "B") + cookie[-8:]),
        (Sessions(None), cookie),
    ):
        client = Browser(make_app(replace(house.site, sessions=sessions)))
        answer = client.get("/", headers={"Cookie": f"{COOKIE}={value}"})
        assert "Log out" not in answer.text
        client.close()


def test_retry(house: House) -> None:
    """One package, or all of a kind; retired ones are left out, and nothing named is refused."""
    ids = house.store.package_ids(["a", "b"])
    house.store.record([failed(ids["a"], Source.GITHUB), failed(ids["b"], Source.GITHUB, "gone")])
    csrf = house.log_in()
    text = house.client.get("/failures").text
    assert 'aria-label="Retry a"' in text
    assert "Retry all missing" in text
    for data, wanted in (({"slug": "a"}, [ids["a"]]), ({"kind": "missing"}, [ids["b"]])):
        house.workings.sent.clear()
        answer = house.client.post(RETRY, data={"csrf": csrf, **data})
        assert (answer.status_code, answer.headers["location"]) == (303, "/failures")
        assert house.workings.sent == wanted
    assert house.client.post(RETRY, data={"csrf": csrf, "kind": "blocked"}).status_code == 400
    house.store.retire([ids["a"]], NOW)
    assert house.client.post(RETRY, data={"csrf": csrf, "slug": "a"}).status_code == 409


def test_refresh_without_redis(house: House) -> None:
    """A page says what to start; the button is no trap."""
    csrf = house.log_in()
    house.workings.fault = BrokerError("Redis cannot be reached", "Start it")
    answer = house.client.post(REFRESH, data={"csrf": csrf})
    assert (answer.status_code, "Start it" in answer.text) == (503, True)


def test_forms_that_are_none(house: House) -> None:
    """Too large, not UTF-8, too many fields: refused without a crash."""
    house.log_in()
    for body in (b"x" * (2**20 + 1), b"a=\xff\xfe", b"&".join(b"a=1" for _ in range(10_001))):
        assert house.client.post(REFRESH, content=body).status_code in (400, 403)


@pytest.mark.parametrize(
    ("given", "leads_to"),
    [
        ("/packages/a?x=1", "/packages/a?x=1"),
        ("//elsewhere.test", "/"),
        ("/\\elsewhere.test", "/"),
        ("https://elsewhere.test", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_nowhere_else(given: str, leads_to: str) -> None:
    """Only paths of this site are followed after a login."""
    assert local_path(given) == leads_to
