"""Fetcher's side of the toy forge: a forge with nested paths, a bearer token and a limit of requests a minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

from fetcher.catalogue.addresses import Location
from fetcher.domain.model import (
    REPOSITORY_SOURCES,
    CommitDays,
    Contribution,
    Contributors,
    Purpose,
    RepoRef,
    RepoStats,
    Target,
)
from fetcher.domain.outcome import Fetched, Malformed, Outcome, Unauthorized
from fetcher.domain.scheduling import Cadence
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Answer, Request, Response
from fetcher.http.responses import classify_answer, validators_of
from fetcher.ports import Transport
from fetcher.quota import QuotaPolicy, ResourceLimits
from fetcher.settings import Settings
from fetcher.upstreams.base import Checked, Cost, Finding, Lane, Tools, UpstreamRefresh
from fetcher.upstreams.forge import Forge, ForgeRefresh

TOY, HOST = "toy", "toy.example"

T = TypeVar("T")


class Route(StrEnum):
    REPOSITORY = "toy_repository"
    HISTORY = "toy_history"
    PEOPLE = "toy_people"


@dataclass(frozen=True, slots=True)
class Bearer:
    """The forge's token."""

    token: str
    identity: str = "toy:user"

    async def header(self) -> str:
        return f"Bearer {self.token}"


class Toy(Forge):
    """The forge at ``root`` with the credential ``token``, which a test sets."""

    name = TOY
    title = "the toy forge"
    sources = REPOSITORY_SOURCES
    hosts = frozenset({HOST})
    quota = QuotaPolicy((ResourceLimits(TOY, points=600),))
    routes = tuple(Route)
    root: ClassVar[str]
    token: ClassVar[str]

    def __init__(self) -> None:
        self.roots = (self.root,)

    @property
    def credential(self) -> Bearer:
        return Bearer(self.token)

    @classmethod
    def configured(cls, settings: Settings) -> tuple[Self, ...]:
        return (cls(),)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return (Lane(TOY, REPOSITORY_SOURCES, TOY, batch=10, packages_per_request=1 / 3),)

    def parse(self, location: Location) -> RepoRef | str:
        """Parse a path of any depth: groups, then the name."""
        path = "/".join(location.segments).removesuffix(".git")
        return RepoRef(location.host, path) if "/" in path else "expected a group and a name"

    def costs(self, target: Target, now: datetime, cadence: Cadence) -> list[Cost]:
        return [Cost((source,), 1, "one request a source") for source in REPOSITORY_SOURCES if source in target.claimed]

    async def check(self, transport: Transport, now: datetime) -> Checked:
        answer = await transport.send(self._request(Route.REPOSITORY, "repos/none"))
        outcome = _classify(answer)
        ok = not isinstance(outcome, Unauthorized) and isinstance(answer, Response)
        said = "responds" if ok else getattr(outcome, "reason", "")
        return Checked((Finding(TOY, ok, said, "" if ok else "Set a valid token"),), answer)

    def connect(self, tools: Tools) -> UpstreamRefresh:
        return ForgeRefresh.of(self, tools)

    async def statistics(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[RepoStats]:
        return await self._get(Route.REPOSITORY, "repos", target, gateway, purpose, _statistics)

    async def history(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[CommitDays]:
        return await self._get(Route.HISTORY, "history", target, gateway, purpose, _history)

    async def people(self, target: Target, gateway: Gateway, purpose: Purpose) -> Outcome[Contributors]:
        return await self._get(Route.PEOPLE, "people", target, gateway, purpose, _people)

    async def _get(
        self, route: str, kind: str, target: Target, gateway: Gateway, purpose: Purpose, read: Callable[[Any], T]
    ) -> Outcome[T]:
        path = target.repo.path if target.repo is not None else ""
        request = self._request(route, f"{kind}/{path}")
        return await gateway.send(request, purpose, lambda answer: _read(answer, read))

    def _request(self, route: str, path: str) -> Request:
        return Request(TOY, TOY, route, f"{self.root}/{path}")


def _classify(answer: Answer) -> Any:
    return classify_answer(answer, lambda response: f"the toy forge returned {response.status}")


def _read(answer: Answer, read: Callable[[Any], T]) -> Outcome[T]:
    response = _classify(answer)
    if not isinstance(response, Response):
        return response  # type: ignore[no-any-return]  # an outcome without values
    try:
        return Fetched(read(json.loads(response.body)), validators_of(response))
    except (ValueError, KeyError, TypeError) as error:
        return Malformed(f"the toy forge: {type(error).__name__}")


def _statistics(body: dict[str, Any]) -> RepoStats:
    head = body["head"]
    return RepoStats(
        handle=None,
        repository_id=str(body["id"]),
        full_name=body["path"],
        stars=body["stars"],
        forks=body["forks"],
        watchers=None,
        description=body["description"],
        archived=False,
        disabled=False,
        empty=head is None,
        default_branch="main",
        head_oid=head and head["oid"],
        head_committed_at=head and datetime.fromisoformat(head["committed_at"]),
        pushed_at=None,
    )


def _history(body: dict[str, Any]) -> CommitDays:
    return CommitDays(date.fromisoformat(body["start"]), tuple(body["days"]), body["total"])


def _people(body: list[Any]) -> Contributors:
    return Contributors(tuple(Contribution(one["login"], one["commits"]) for one in body))
