"""The simulator's side of the toy forge: three routes, a bearer token and a limit of requests a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fetcher.simulator.exchange import Answer, Call, about
from fetcher.simulator.history import contributors
from fetcher.simulator.mount import Mount, OpenGate, Route, Upstream
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.registry import Settings
from fetcher.simulator.world import World

HOST = "toy.example"
DAYS = 371
NUMBERED_FROM = 1_000
"""A world numbers the repositories of all hosts together; this host counts its own, as real ones do."""
MINUTE = timedelta(minutes=1)


class ToyMount(Mount, Upstream, OpenGate):
    """Registry entry, upstream and gate in one."""

    name = "toy"
    host = HOST
    token = "toy-token"

    def __init__(self, per_minute: int = 600) -> None:
        self.gate = self
        self.per_minute = per_minute
        self._admitted: list[datetime] = []

    def open(self, world: World, settings: Settings) -> Upstream:
        self._world = world
        return self

    def routes(self) -> Iterable[Route]:
        return [
            Route("repository", "/repos/{path:path}", self.repository),
            Route("history", "/history/{path:path}", self.history),
            Route("people", "/people/{path:path}", self.people),
        ]

    def environment(self, root: str) -> Mapping[str, str]:
        return {"FETCHER_TOY_URL": root, "FETCHER_TOY_TOKEN": self.token}

    def admit(self, call: Call) -> Answer | None:
        if call.headers.get("authorization") != f"Bearer {self.token}":
            return self.error(401, "Unauthorized")
        call.identity = "toy-user"
        self._admitted = [at for at in self._admitted if at > call.now - MINUTE]
        if len(self._admitted) >= self.per_minute:
            refusal = self.error(429, "Too Many Requests")
            refusal.headers["retry-after"] = "60"
            refusal.reason, refusal.points = "requests a minute", 0
            return refusal
        self._admitted.append(call.now)
        return None

    def repository(self, call: Call) -> Answer:
        found = self._find(call)
        if found is None:
            return self.error(404, "Not Found")
        tip = found.history.tip
        body = {
            "id": found.database_id - NUMBERED_FROM,
            "path": found.full_name,
            "stars": found.stars,
            "forks": found.forks,
            "description": found.description or "",
            "head": {"oid": tip.oid, "committed_at": tip.committed_at.isoformat()} if tip else None,
        }
        return self._of(call, body)

    def history(self, call: Call) -> Answer:
        found = self._find(call)
        if found is None:
            return self.error(404, "Not Found")
        start = call.now.date() - timedelta(days=DAYS - 1)
        counted = Counter(commit.authored_at.date() for commit in found.history.commits())
        days = [counted[start + timedelta(days=day)] for day in range(DAYS)]
        return self._of(call, {"start": start.isoformat(), "days": days, "total": found.history.count})

    def people(self, call: Call) -> Answer:
        found = self._find(call)
        if found is None:
            return self.error(404, "Not Found")
        accounts, _ = contributors(found.history.commits())
        return self._of(call, [{"login": one.author.login, "commits": one.contributions} for one in accounts])

    def _find(self, call: Call) -> Repository | None:
        return self._world.repository(f"{HOST}/{call.parameters['path']}")

    def _of(self, call: Call, body: Any) -> Answer:
        return Answer(payload=body, packages=about(call.parameters["path"]))
