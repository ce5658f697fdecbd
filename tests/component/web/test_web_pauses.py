"""An operator's pause on the page, in the API, in the metrics and for readiness."""

from __future__ import annotations

import pytest

from fetcher.domain.pauses import OperatorPause, PauseScope
from fetcher.ports import PLANNED, Checkpoint
from tests.component.web.conftest import BEARER, Harness
from tests.harness.clock import HOUR

WHY = "GitHub asked us <to stop>"


def _pause(harness: Harness, scope: PauseScope) -> None:
    now = harness.clock.now()
    harness.store.pauses.pause(OperatorPause(scope, now, now + HOUR, WHY, "alice"))


@pytest.mark.parametrize("scope", list(PauseScope))
def test_every_page_shows_a_pause(harness: Harness, scope: PauseScope) -> None:
    """Each page has the scope, the user and the reason, until the pause ends by itself."""
    _pause(harness, scope)
    for path in ("/", "/packages", "/failures"):
        text = harness.client.get(path).text
        assert "<strong>Paused:</strong>" in text
        assert "by alice" in text
        assert "GitHub asked us &lt;to stop&gt;" in text
    harness.clock.advance(HOUR)
    assert "Paused:" not in harness.client.get("/").text


def test_a_pause_is_no_outage(harness: Harness) -> None:
    """Readiness is kept, and names the pause."""
    harness.store.checkpoints.save(Checkpoint(PLANNED, observed_at=harness.clock.now()))
    _pause(harness, PauseScope.ALL)
    answer = harness.client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert answer.json()["paused"] == [f"all work paused 0 s ago by alice, ends in 60 min: {WHY}"]


@pytest.mark.parametrize(
    ("scope", "background", "everything"), [(None, 0, 0), (PauseScope.BACKGROUND, 1, 0), (PauseScope.ALL, 1, 1)]
)
def test_the_gauge(harness: Harness, scope: PauseScope | None, background: int, everything: int) -> None:
    """A pause of all work stops background work, too."""
    if scope is not None:
        _pause(harness, scope)
    text = harness.client.get("/metrics").text
    assert f'fetcher_paused{{scope="background"}} {background}.0' in text
    assert f'fetcher_paused{{scope="all"}} {everything}.0' in text


def test_refreshes_are_refused_while_all_is_paused(harness: Harness) -> None:
    """The API and the form return 503 with the reason; a pause of background work refuses nothing."""
    harness.catalogue.add("one")
    _pause(harness, PauseScope.ALL)
    csrf = harness.log_in()

    answers = [
        harness.client.post("/api/v4/packages/one/refresh/", headers=BEARER),
        harness.client.post("/packages/one/refresh", data={"csrf": csrf}),
        harness.client.post("/failures/retry", data={"csrf": csrf, "slug": "one"}),
    ]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert WHY in answers[0].json()["detail"]
    assert harness.runtime.sent == []
    harness.store.pauses.resume(harness.clock.now())
    _pause(harness, PauseScope.BACKGROUND)
    assert harness.client.post("/api/v4/packages/one/refresh/", headers=BEARER).status_code == 202


def test_an_operator_pauses_and_resumes_at_the_page(harness: Harness) -> None:
    """The form stores the pause with its end and its reason, and logs both actions; without a session it does not."""
    refused = harness.client.post("/pause", data={"scope": "all", "why": WHY})
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=/")
    csrf = harness.log_in()
    assert 'action="/pause"' in harness.client.get("/").text
    done = harness.client.post("/pause", data={"csrf": csrf, "scope": "all", "hours": "4", "why": f" {WHY} "})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    now = harness.clock.now()
    (active,) = harness.store.pauses.active(now)
    assert active == OperatorPause(PauseScope.ALL, now, now + 4 * HOUR, WHY, "session")
    page = harness.client.get("/failures").text
    assert 'action="/resume"' in page
    assert 'action="/pause"' not in harness.client.get("/").text
    assert harness.client.post("/resume", data={"csrf": "forged"}).status_code == 403
    assert harness.client.post("/resume", data={"csrf": csrf}).status_code == 303
    assert harness.store.pauses.active(now) == []
    logged = [(one.action, one.detail) for one in harness.store.audit.since(now)]
    assert logged == [("pause", active.detail), ("resume", f"all: {WHY}")]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scope": "all"}, "needs a reason"),
        ({"scope": "all", "why": "x" * 201}, "needs a reason"),
        ({"scope": "some", "why": "x"}, "unknown scope"),
        ({"scope": "all", "why": "x", "hours": "1e9"}, "unknown length"),
    ],
)
def test_a_pause_with_wrong_fields_is_refused(harness: Harness, fields: dict[str, str], words: str) -> None:
    """The answer names the field; nothing is paused."""
    answer = harness.client.post("/pause", data={"csrf": harness.log_in(), **fields})
    assert answer.status_code == 400
    assert words in answer.text
    assert harness.store.pauses.active(harness.clock.now()) == []
