"""The log of a refresh: one entry for a batch, one for a failure, and one for a rejected credential."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from fetcher.domain.outcome import Transient
from fetcher.http.messages import Answer, Request
from fetcher.upstreams.github.identity import account_behind
from tests.component.refresh.conftest import Build, Harness
from tests.harness.fakes import answer

REQUEST_ID = "C0FF:3A8B:1C2D3E:4F5A6B:65F82C10"
GITHUB = {"x-github-request-id": REQUEST_ID}
Line = MutableMapping[str, Any]


def named(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


def interfering(harness: Harness, response: Answer, *routes: str) -> None:
    def interfere(request: Request) -> Answer | None:
        return response if request.route in routes else None

    harness.transport.interfere = interfere


async def test_a_batch_without_failures_is_one_line(harness: Harness) -> None:
    """An INFO entry has the claim, its result and its duration."""
    for slug in ("alpha", "beta"):
        harness.publish(slug, "1.0")
        harness.add(slug, repo=False, project=True)
    with capture_logs() as lines:
        await harness.work()
    assert lines == [
        {
            "event": "batch",
            "log_level": "info",
            "sources": ["index"],
            "purpose": "background",
            "packages": 2,
            "answered": 2,
            "failed": 0,
            "waiting": 0,
            "moved": 0,
            "lost": 0,
            "seconds": 0.0,
        }
    ]


async def test_a_failure_is_one_line_with_githubs_name_for_it(harness: Harness) -> None:
    """A failure's entry has the slug, the source, the outcome, the reason, and GitHub's request id."""
    harness.make("alpha")
    harness.add("alpha")
    await harness.work()
    harness.tomorrow()
    interfering(harness, answer({"message": "oh no"}, 500, GITHUB), "statistics")
    with capture_logs() as lines:
        await harness.work()
    (failure,) = named(lines, "failure")
    assert len(named(lines, "batch")) == 1
    assert failure["log_level"] == "warning"
    assert {name: failure[name] for name in ("package", "source", "upstream", "outcome", "failures", "request")} == {
        "package": "alpha",
        "source": "repository",
        "upstream": "github",
        "outcome": "transient",
        "failures": 1,
        "request": REQUEST_ID,
    }
    assert "oh no" in failure["reason"]


async def test_one_of_a_batch_is_named_with_the_batches_request(harness: Harness) -> None:
    """A repository missing from a GraphQL response is logged with that response's request id."""
    harness.add("gone")
    missing = {"type": "NOT_FOUND", "path": ["r0"], "message": "no such repository"}
    interfering(harness, answer({"data": {"r0": None}, "errors": [missing]}, headers=GITHUB), "statistics")
    with capture_logs() as lines:
        await harness.work()
    (failure,) = named(lines, "failure")
    assert (failure["outcome"], failure["request"]) == ("missing", REQUEST_ID)


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"}\n{"event": "forged'])
async def test_only_an_id_is_taken_for_one(harness: Harness, given: str) -> None:
    """A request id is logged only if it has the form of one."""
    harness.add("alpha")
    interfering(harness, answer({}, 500, {"x-github-request-id": given}), "statistics")
    with capture_logs() as lines:
        await harness.work()
    assert [failure["request"] for failure in named(lines, "failure")] == [None]


async def test_a_failure_that_goes_on_is_no_news(harness: Harness) -> None:
    """The first failure is a warning and later ones are information, so that warnings are only news."""
    harness.add("alpha")
    interfering(harness, answer({}, 500), "statistics")
    levels = []
    for _ in range(3):
        with capture_logs() as lines:
            await harness.work()
        levels += [line["log_level"] for line in named(lines, "failure")]
        harness.tomorrow()
    assert levels == ["warning", "info", "info"]


async def test_a_rejected_credential_is_one_error(harness: Harness) -> None:
    """A rejected credential is one entry with the remedy, and not one per package."""
    for number in range(12):
        harness.add(f"p{number}")
    interfering(harness, answer({"message": "Bad credentials"}, 401, GITHUB), "statistics")
    with capture_logs() as lines:
        await harness.work()
    assert named(lines, "failure") == []
    (rejected,) = named(lines, "credential rejected")
    assert (rejected["log_level"], rejected["packages"], rejected["request"]) == ("error", 12, REQUEST_ID)
    assert "fetcher doctor" in rejected["remedy"]
    assert named(lines, "batch")[0]["failed"] == 12


async def test_a_credential_rejected_at_the_start_is_an_error(harness: Harness) -> None:
    """A credential rejected during identification is reported as an error."""
    statistics = harness.github.statistics
    interfering(harness, answer({"message": "Bad credentials"}, 401, GITHUB), "viewer")
    with capture_logs() as lines:
        response = await account_behind(
            "token:1", statistics.gateway, harness.store.checkpoints, statistics.api, harness.clock.now()
        )
    assert response == "token:1"
    assert [(line["event"], line["log_level"]) for line in lines] == [("credential rejected", "error")]


async def test_waiting_is_not_failing(build: Build) -> None:
    """Statistics that are still computed write no entry of their own."""
    harness = await build(token=None)
    harness.make("alpha")
    harness.add("alpha")
    interfering(harness, answer(b"", 202), "participation")
    with capture_logs() as lines:
        await harness.work()
    assert {line["event"] for line in lines} == {"batch"}
    assert sum(line["waiting"] for line in lines) >= 1


def test_a_request_id_makes_no_difference() -> None:
    """Two failures with the same meaning are equal, even with different request ids."""
    assert Transient("x", request_id="a") == Transient("x", request_id="b")
