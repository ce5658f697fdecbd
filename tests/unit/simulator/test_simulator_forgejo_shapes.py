"""Responses of the simulated Forgejo in the shapes of Forgejo's published OpenAPI document (version 15).

``tests/data/forgejo/shapes.json`` has the type of each field by the name of its shape.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from fetcher.simulator.changes import Push, empty, push
from fetcher.simulator.server import Service
from fetcher.simulator.upstreams.forgejo.mount import ForgejoMount
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World
from tests.harness.clock import StoppedClock
from tests.harness.facts import plain_repository

SHAPES: Final[dict[str, dict[str, str]]] = json.loads(
    (Path(__file__).parents[2] / "data" / "forgejo" / "shapes.json").read_text("utf-8")
)
PLAIN: Final[dict[str, tuple[type, ...]]] = {"string": (str,), "integer": (int,), "boolean": (bool,)}
HOST: Final = "forge.example"
REPOSITORY: Final = "/forgejo/api/v1/repos/ann/alpha"


def differences(value: Any, shape: str, where: str) -> list[str]:
    """Return the places where ``value`` differs from a published shape; ``null`` is allowed everywhere."""
    if value is None:
        return []
    if shape.startswith("["):
        found = [differences(one, shape[1:-1], f"{where}[]") for one in value] if isinstance(value, list) else [[where]]
        return [one for each in found for one in each]
    if shape == "date-time":
        return [] if isinstance(value, str) and datetime.fromisoformat(value).tzinfo else [where]
    if shape in PLAIN:
        return [] if type(value) in PLAIN[shape] else [where]
    fields = SHAPES[shape]
    if "" in fields:
        return differences(value, fields[""], where)
    unknown = [f"{where}.{name}" for name in value.keys() - fields.keys()]
    known = (differences(value[name], fields[name], f"{where}.{name}") for name in value.keys() & fields.keys())
    return unknown + [one for each in known for one in each]


@pytest.mark.parametrize("path", [REPOSITORY, f"{REPOSITORY}/commits", f"{REPOSITORY}/commits?stat=false&files=false"])
async def test_responses_have_the_published_shapes(path: str) -> None:
    """Every field is a published one, with its type; so is that of a commit without an account."""
    world = World(StoppedClock())
    repository = plain_repository(world, HOST)
    push(world, repository.address, Push(commits=2, login="ann"))
    push(world, repository.address, Push(anonymous=True, merge=True))
    service = Service(world, Settings(), (ForgejoMount(HOST),))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url="http://x.invalid") as client:
        body = (await client.get(path)).json()
        empty(world, repository.address)
        bare = (await client.get(REPOSITORY)).json()

    assert differences(body, "[Commit]" if "commits" in path else "Repository", "") == []
    assert differences(bare, "Repository", "") == []
    assert bare["empty"]


def test_a_wrong_shape_is_found() -> None:
    """An unknown field, a wrong type and a time without a zone are differences, also in nested shapes."""
    body = {"id": "7", "stars": 3, "updated_at": "2026-03-18T12:00:00", "owner": {"login": 3}, "topics": ["a", 1]}
    found = differences(body, "Repository", "")

    assert sorted(found) == [".id", ".owner.login", ".stars", ".topics[]", ".updated_at"]
