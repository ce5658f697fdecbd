"""The web application over a SQLite store, with a stopped clock and a fake runtime. No socket is opened."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from fetcher.domain.errors import BrokerError
from fetcher.domain.hints import Hint
from fetcher.domain.views import RecentLag, RequestCount, SubmittedRefresh
from fetcher.hooks.inbox import Placed
from fetcher.hooks.signatures import Forge
from fetcher.monitoring.definitions import HookResult
from fetcher.quota import QuotaStatus
from fetcher.settings import Settings
from fetcher.store import SqlStore, open_engine
from fetcher.web import WebContext, make_app
from fetcher.web.session import Sessions
from tasks.inspection import QueueState
from tests.harness.clock import DAY, StoppedClock
from tests.harness.stores import NOW, Catalogue, store_on

TOKEN = "the-operators-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Browser:
    """An in-process client that keeps cookies and follows no redirects."""

    def __init__(self, app: ASGIApp) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://directory.test")
        self._loop = asyncio.Runner()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._loop.run(self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def cookie(self, name: str) -> str:
        return str(self._client.cookies[name])

    def close(self) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()


@dataclass
class FakeRuntime:
    """A ``Runtime`` with fixed values. While ``error`` is set, Redis is unavailable."""

    store: SqlStore
    states: list[QueueState] = field(default_factory=list)
    quota: list[QuotaStatus] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    counted: dict[str, float] = field(default_factory=dict)
    recent_requests: list[RequestCount] = field(default_factory=list)
    recent_lags: list[RecentLag] = field(default_factory=list)
    error: BrokerError | None = None
    hints: list[Hint] = field(default_factory=list)
    deliveries: list[tuple[str, str]] = field(default_factory=list)
    placed: Placed = Placed.FIRST
    informed: int = 0
    hooks: list[tuple[Forge, HookResult]] = field(default_factory=list)

    def queues(self) -> Sequence[QueueState]:
        self._check()
        return self.states

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        self._check()
        return self.quota

    def counters(self) -> Mapping[str, float]:
        self._check()
        return self.counted

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        self._check()
        return self.recent_requests

    def lags(self, now: datetime) -> Sequence[RecentLag]:
        self._check()
        return self.recent_lags

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[SubmittedRefresh]:
        self._check()
        self.sent += package_ids
        return self.store.requests.submit(package_ids, now)

    def place_hint(self, forge: Forge, delivery: tuple[str, str], hint: Hint, now: datetime) -> Placed:
        self._check()
        self.deliveries.append(delivery)
        self.hints.append(hint)
        return self.placed

    def take_hints(self) -> None:
        self.informed += 1

    def count_hook(self, forge: Forge, result: HookResult) -> None:
        self.hooks.append((forge, result))

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class Harness:
    """The application, its dependencies and a client."""

    context: WebContext
    catalogue: Catalogue
    runtime: FakeRuntime
    clock: StoppedClock
    client: Browser

    @property
    def store(self) -> SqlStore:
        return self.catalogue.store

    def log_in(self) -> str:
        """Log in and return the CSRF token of the forms."""
        answer = self.client.post("/login", data={"token": TOKEN})
        assert answer.status_code == 303, answer.text
        page = self.client.get("/").text
        return page.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.fixture
def settings() -> Settings:
    return Settings(web_token=SecretStr(TOKEN), web_hosts="directory.test")


@pytest.fixture
def harness(tmp_path: Path, sqlite_template: Path, settings: Settings) -> Iterator[Harness]:
    """Provide the application over an empty catalogue."""
    path = tmp_path / "web.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    store, clock = store_on(engine), StoppedClock(NOW + DAY)
    runtime = FakeRuntime(store, [QueueState(name, 0, ("w@h",), 0) for name in ("manual", "background", "maintenance")])
    context = WebContext(settings, store, clock, runtime, Sessions(settings.web_token))
    client = Browser(make_app(context))
    yield Harness(context, Catalogue(store), runtime, clock, client)
    client.close()
    engine.dispose()


@pytest.fixture
def client(harness: Harness) -> Browser:
    return harness.client


@pytest.fixture
def client_without_database(harness: Harness, tmp_path: Path) -> Iterator[Browser]:
    """Provide a client of the application over a file that is not a database."""
    (tmp_path / "no.db").write_bytes(b"no database, and long enough to be read as a header" * 50)
    engine = open_engine(f"sqlite:///{tmp_path}/no.db")
    client = Browser(make_app(replace(harness.context, store=store_on(engine))))
    yield client
    client.close()
    engine.dispose()
