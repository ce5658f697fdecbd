"""Actions of operators at the page and the API are logged; wrong tokens are logged and delay the next ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fetcher.web.throttle import ADDRESSES, FREE, LONGEST, LoginThrottle
from tests.component.web.conftest import BEARER, TOKEN, Harness
from tests.harness.clock import DAY, HOUR, NOW, SECOND

WRONG = {"Authorization": "Bearer wrong"}


def _logged(harness: Harness) -> list[tuple[str, str, str | None]]:
    entries = harness.store.audit.since(harness.clock.now() - DAY)
    assert all(one.address == "127.0.0.1" for one in entries)
    return [(one.actor, one.action, one.package) for one in entries]


def test_refreshes_and_retries(harness: Harness) -> None:
    """The page's user is a session, the API's a token; each entry has the package and the address."""
    harness.catalogue.add("one", "two")
    csrf = harness.log_in()
    harness.client.post("/packages/one/refresh", data={"csrf": csrf})
    harness.client.post("/failures/retry", data={"csrf": csrf, "slug": "two"})
    harness.client.post("/api/v4/packages/two/refresh/", headers=BEARER)

    assert _logged(harness) == [
        ("session", "refresh", "one"),
        ("session", "retry", "two"),
        ("token", "refresh", "two"),
    ]


def test_wrong_tokens(harness: Harness) -> None:
    """A form and the API share the count: after three wrong tokens even the right one is refused for a while."""
    harness.catalogue.add("one")
    path = "/api/v4/packages/one/refresh/"
    answers = [harness.client.post("/login", data={"token": "wrong"}) for _ in range(2)]
    answers += [harness.client.post(path, headers=WRONG) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 403, 401, 401]

    for refused in (
        harness.client.post(path, headers=BEARER),
        harness.client.post("/login", data={"token": TOKEN}),
    ):
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert _logged(harness) == [("unknown", "login_failed", None)] * 4

    harness.clock.advance(SECOND)
    assert harness.client.post(path, headers=BEARER).status_code == 202
    assert harness.client.post("/login", data={"token": "wrong"}).status_code == 403


def test_the_delay_grows_to_its_limit_and_is_forgotten() -> None:
    """It doubles from one second to the longest; after a quarter of an hour the address starts again."""
    throttle, delays = LoginThrottle(), []
    for _ in range(FREE + 8):
        throttle.failed("192.0.2.1", NOW)
        delays.append(throttle.delay("192.0.2.1", NOW))
    assert delays == [timedelta(0)] * FREE + [timedelta(seconds=s) for s in (1, 2, 4, 8, 16, 32)] + [LONGEST] * 2
    assert throttle.delay("192.0.2.2", NOW) == timedelta(0)
    assert throttle.failed("192.0.2.1", NOW + HOUR) == 1


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_addresses_of_one_host(first: str, second: str, shared: bool) -> None:  # noqa: FBT001
    """All addresses of an IPv6 prefix count as one, because one host has them all."""
    throttle = LoginThrottle()
    throttle.failed(first, NOW)
    assert (throttle.failed(second, NOW) == 2) == shared


def test_memory_is_bounded() -> None:
    """The address that has been silent longest is forgotten."""
    throttle = LoginThrottle()
    for number in range(ADDRESSES + 5):
        throttle.failed(f"host-{number}", NOW)
    assert len(throttle) == ADDRESSES
    assert (throttle.failed("host-0", NOW), throttle.failed(f"host-{ADDRESSES}", NOW)) == (1, 2)
