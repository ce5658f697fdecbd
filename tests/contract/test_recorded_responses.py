"""The readers against recorded responses of the real GitHub and PyPI, if the recordings are beside the checkout.

They are in ``../shared/recorded``, each with the values of an independent reading, and no part of the project.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from packaging.version import InvalidVersion, Version

from fetcher.domain.outcome import Fetched
from fetcher.http.messages import Response
from fetcher.upstreams.github.readers.classify import classify
from fetcher.upstreams.github.readers.contributors import read_contributors, read_participation
from fetcher.upstreams.github.readers.graphql import read_body
from fetcher.upstreams.github.readers.shapes import GraphQLBody
from fetcher.upstreams.github.readers.statistics import read_newest_commit, read_repository
from fetcher.upstreams.pypi import read_json, read_simple
from tests.harness.clock import NOW

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
if not RECORDED.is_dir():
    pytest.skip("no recorded responses beside this checkout", allow_module_level=True)

EMPTY = {"all": [], "owner": []}
"""Participation of an empty repository. The recordings leave open what it means."""

Found = dict[str, Any]


def kind_of(outcome: object) -> str:
    """Name an outcome as the recordings do: by its class."""
    return type(outcome).__name__


def repository(response: Response, _: Found) -> Found:
    outcome = read_repository(response)
    if not isinstance(outcome, Fetched):
        return {"kind": kind_of(outcome)}
    stats = outcome.value
    return {
        "kind": "Fetched",
        "node_id": stats.handle,
        "id": int(stats.repository_id or 0),
        "full_name": stats.full_name,
        "stargazers_count": stats.stars,
        "forks_count": stats.forks,
        "subscribers_count": stats.watchers,
        "description": stats.description or None,
        "archived": stats.archived,
        "default_branch": stats.default_branch,
    }


def contributors(response: Response, _: Found) -> Found:
    outcome = read_contributors(response)
    if not isinstance(outcome, Fetched):
        return {"kind": kind_of(outcome)}
    people = [[person.login, person.commits] for person in outcome.value.people]
    return {"kind": "Fetched", "people": people, "next": outcome.value.next_page}


def participation(response: Response, _: Found) -> Found:
    outcome = read_participation(response)
    if not isinstance(outcome, Fetched):
        return {"kind": kind_of(outcome)}
    return {"kind": "Fetched", "all": list(outcome.value)}


def commits(response: Response, _: Found) -> Found:
    outcome = read_newest_commit(response)
    if not isinstance(outcome, Fetched) or outcome.value is None:
        return {"kind": kind_of(outcome)}
    committed = outcome.value.committed_at
    return {"kind": "Fetched", "sha": outcome.value.sha, "committed": committed and committed.isoformat()}


def graphql(response: Response, expected: Found) -> Found:
    body = read_body(response)
    if isinstance(body, GraphQLBody):
        return {"kind": "data", "errors": len(body.errors)}
    return {"kind": kind_of(body), "errors": expected["errors"]}


def other(response: Response, _: Found) -> Found:
    outcome = classify(response)
    return {"kind": "value" if outcome is response else kind_of(outcome)}


def classified(response: Response, expected: Found) -> Found:
    """Compare the kind alone, because these bodies are not read."""
    outcome = classify(response)
    kind = "Fetched" if outcome is response else kind_of(outcome)
    return {**expected, "kind": expected["kind"] if expected["kind"] == "any" else kind}


def pypi_json(response: Response, expected: Found) -> Found:
    outcome = read_json(response, expected["name"], url="u", now=NOW)
    if not isinstance(outcome, Fetched):
        return {"kind": kind_of(outcome)}
    value = outcome.value
    return {"kind": "Fetched", "name": value.name, "releases": len(value.releases), "latest": value.latest}


def pypi_simple(response: Response, expected: Found) -> Found:
    """Compare both forms, and the final versions that pip reads from the same files where the recording has them."""
    listing = json.loads(response.body)
    outcome = read_simple(response, listing["name"], url="u", now=NOW)
    if not isinstance(outcome, Fetched):
        return {"kind": kind_of(outcome)}
    html = Response(200, {"content-type": "text/html"}, "".join(map(as_link, listing["files"])).encode())
    assert read_simple(html, listing["name"], url="u", now=NOW) == outcome
    releases, pip = outcome.value.releases, [normal(number) for number in expected["pip"]]
    found = {normal(release.number) for release in releases}
    same = found.issuperset(pip) and pip[:1] in ([], [normal(outcome.value.latest or "")])
    files = sum(release.files for release in releases)
    return {"kind": "Fetched", "files": files, "pip": expected["pip"] if same else sorted(found)}


def as_link(file: Found) -> str:
    """Write one file of the JSON form as the HTML form has it."""
    stated = {"data-yanked": file.get("yanked"), "data-requires-python": file.get("requires-python")}
    texts = {name: "" if value is True else value for name, value in stated.items() if value not in (None, False)}
    attributes = "".join(f' {name}="{escape(text)}"' for name, text in texts.items())
    return f'<a href="/x/{file["filename"]}#sha256=0"{attributes}>{file["filename"]}</a><br/>\n'


def normal(number: str) -> str:
    try:
        return str(Version(number))
    except InvalidVersion:
        return number


READERS: dict[str, Callable[[Response, Found], Found]] = {
    "repository": repository,
    "contributors": contributors,
    "participation": participation,
    "commits": commits,
    "graphql": graphql,
    "other": other,
    "pypi_json": pypi_json,
    "pypi_simple": pypi_simple,
    "compare": classified,
    "commit_activity": classified,
}


def entries() -> Iterator[Any]:
    """Yield every recorded exchange with the name of its file."""
    for name in READERS:
        for number, entry in enumerate(json.loads((RECORDED / f"{name}.json").read_bytes())):
            yield pytest.param(name, entry, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "entry"), list(entries()))
def test_a_recorded_response_is_read_right(name: str, entry: Found) -> None:
    """Read the values that the recording's independent reading has."""
    response = Response(entry["status"], entry["headers"], entry["body"].encode())
    assert READERS[name](response, entry["expect"]) == expected(name, entry)


def expected(name: str, entry: Found) -> Found:
    """Return the independent reading, with its open values filled in."""
    found: Found = entry["expect"]
    if name == "participation" and found["kind"] == "not Fetched" and json.loads(entry["body"]) == EMPTY:
        return {"kind": "Fetched", "all": [0] * 52}
    if name == "contributors" and entry["status"] == 204:
        return {**found, "people": [], "next": None}
    return found
