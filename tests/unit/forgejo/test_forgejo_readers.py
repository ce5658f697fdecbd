"""Readers of Forgejo's responses: the gate of the last push, fields that are absent, and statuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fetcher.domain.model import Target
from fetcher.domain.outcome import Blocked, Fetched, Malformed, Moved, Throttled, Transient, Unauthorized
from fetcher.http.messages import Fault, NoAnswer
from fetcher.upstreams.forgejo.readers import Account, Commit, Repository, classify, read_accounts, read_facts
from tests.harness.clock import NOW
from tests.harness.fakes import answer

HOST = "forge.example"
TARGET = Target(1, "alpha", "", frozenset(), None, None, None, None)
BODY = {
    "id": 12,
    "full_name": "ann/alpha",
    "description": "",
    "empty": False,
    "mirror": False,
    "archived": False,
    "stars_count": 3,
    "forks_count": 2,
    "watchers_count": 1,
    "default_branch": "main",
    "updated_at": "2026-03-18T14:00:00+02:00",
}


def test_the_fields_that_are_read_are_published() -> None:
    """Each has the name that it has in Forgejo's OpenAPI document."""
    shapes = json.loads((Path(__file__).parents[2] / "data" / "forgejo" / "shapes.json").read_text("utf-8"))
    for shape, published in ((Repository, "Repository"), (Commit, "Commit"), (Account, "User")):
        names = {field.alias or name for name, field in shape.model_fields.items()}
        assert names <= shapes[published].keys()


def gate(known_branch: str | None = "main", **changed: Any) -> Any:
    """Return the time of the last push that a changed repository states."""
    found = read_facts(answer(BODY | changed), HOST, replace(TARGET, default_branch=known_branch))
    assert isinstance(found, Fetched)
    return found.value.pushed_at


def test_the_gate_is_the_time_of_the_last_push() -> None:
    """It is read in UTC, also before the default branch is known."""
    assert (gate(), gate(known_branch=None)) == (NOW, NOW)


def test_the_gate_of_a_mirror_proves_nothing() -> None:
    """The time of a mirror is that of its newest commit, so that a moved branch may leave it as it is."""
    assert gate(mirror=True) is None


def test_another_default_branch_opens_the_gate() -> None:
    """The head changes without a push."""
    assert gate(known_branch="master") is None


def test_an_unreadable_time_opens_the_gate() -> None:
    """The facts are kept."""
    assert (gate(updated_at="yesterday"), gate(updated_at=None)) == (None, None)


def test_absent_figures_are_unknown() -> None:
    """An older instance without a field states nothing, which is not zero."""
    body = {name: BODY[name] for name in ("id", "full_name")}
    found = read_facts(answer(body), HOST, TARGET)

    assert isinstance(found, Fetched)
    assert (found.value.stars, found.value.forks, found.value.watchers, found.value.empty) == (None, None, None, None)
    assert (found.value.description, found.value.archived) == ("", False)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"id": 0},
        {"full_name": "alpha"},
        {"full_name": "ann/../bob"},
        {"full_name": "ann/al pha"},
        {"full_name": "ann/alpha?x"},
        {"stars_count": -1},
        {"stars_count": 2**31},
    ],
)
def test_impossible_values_are_malformed(changed: dict[str, Any]) -> None:
    """Nothing of such a repository is stored; the reason is one line."""
    found = read_facts(answer(BODY | changed), HOST, TARGET)

    assert isinstance(found, Malformed)
    assert found.reason.startswith("repository: ")
    assert found.reason.isprintable()


def test_accounts_of_sha256_repositories() -> None:
    """An oid of 64 digits is an oid as well; commits without an account or a login are left out."""
    oids = ["a" * 64, "b" * 64, "c" * 64]
    commits = [{"sha": oids[0], "author": {"login": "ann"}}, {"sha": oids[1], "author": None}, {"sha": oids[2]}]

    assert read_accounts(answer(commits), HOST) == Fetched({oids[0]: "ann"})
    assert isinstance(read_accounts(answer({"not": "a list"}), HOST), Malformed)


def test_statuses_of_the_api() -> None:
    """Each status has one outcome, and each reason names the host."""
    error = {"message": "said", "url": "https://forge.example/api/swagger"}

    assert isinstance(classify(answer(error, 401), HOST), Unauthorized)
    assert isinstance(classify(answer(error, 403), HOST), Blocked)
    assert isinstance(classify(answer(error, 451), HOST), Blocked)
    assert classify(answer(error, 500), HOST) == Transient(f"{HOST} answers 500: said")
    assert classify(answer(error, 422), HOST) == Malformed(f"{HOST} answers 422: said")
    assert classify(answer(b"", 307, {"location": "/api/v1/repos/a/b"}), HOST) == Moved("/api/v1/repos/a/b")
    assert classify(NoAnswer(Fault.UNREACHABLE, "no route"), HOST) == Transient("no route")


def test_a_date_in_retry_after_counts_from_the_date_of_the_response() -> None:
    """The host's own clock decides, so that a clock that differs from ours makes no difference."""
    headers = {
        "date": "Wed, 18 Mar 2026 09:00:00 GMT",
        "retry-after": "Wed, 18 Mar 2026 09:05:00 GMT",
        "content-type": "text/html",
    }
    found = classify(answer(b"<html>slow down</html>", 429, headers), HOST)

    assert isinstance(found, Throttled)
    assert found.retry_after == timedelta(minutes=5)
