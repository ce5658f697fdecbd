"""The web application over a real SQLite store, a clock that stands still and workings that do what they are told.

It is asked in-process: no socket is opened.
"""

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
from fetcher.domain.views import Asked, RequestCount
from fetcher.quota import QuotaStatus
from fetcher.settings import Settings
from fetcher.store import SqlStore, open_engine
from fetcher.web import Site, make_app
from fetcher.web.session import Sessions
from tasks.inspection import QueueState
from tests.fakes import StoppedClock
from tests.stores import DAY, NOW, Catalogue, store_on

TOKEN = "the-operators-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Browser:
    """Asks the application itself, keeps cookies, and follows no redirect by itself."""

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
class ToldWorkings:
    """Workings that a test sets; while ``fault`` is set, Redis does not answer."""

    store: SqlStore
    states: list[QueueState] = field(default_factory=list)
    quota: list[QuotaStatus] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    counted: dict[str, float] = field(default_factory=dict)
    asked: list[RequestCount] = field(default_factory=list)
    fault: BrokerError | None = None

    def queues(self) -> Sequence[QueueState]:
        self._answer()
        return self.states

    def quota_status(self, now: datetime) -> Sequence[QuotaStatus]:
        self._answer()
        return self.quota

    def counters(self) -> Mapping[str, float]:
        self._answer()
        return self.counted

    def requests(self, now: datetime) -> Sequence[RequestCount]:
        self._answer()
        return self.asked

    def refresh(self, package_ids: Sequence[int], now: datetime) -> Sequence[Asked]:
        self._answer()
        self.sent += package_ids
        return self.store.ask(package_ids, now)

    def _answer(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass
class House:
    """The site, and who looks at it."""

    site: Site
    catalogue: Catalogue
    workings: ToldWorkings
    clock: StoppedClock
    client: Browser

    @property
    def store(self) -> SqlStore:
        return self.catalogue.store

    def log_in(self) -> str:
        """Log in, and return what protects the forms."""
        answer = self.client.post("/login", data={"token": TOKEN})
        assert answer.status_code == 303, answer.text
        page = self.client.get("/").text
        return page.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.fixture
def settings() -> Settings:
    return Settings(web_token=SecretStr(TOKEN))


@pytest.fixture
def house(tmp_path: Path, sqlite_template: Path, settings: Settings) -> Iterator[House]:
    """An empty catalogue with its page."""
    path = tmp_path / "web.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(f"sqlite:///{path}")
    store, clock = store_on(engine), StoppedClock(NOW + DAY)
    workings = ToldWorkings(store, [QueueState(name, 0, ("w@h",), 0) for name in ("now", "background", "control")])
    site = Site(settings, store, clock, workings, Sessions(settings.web_token))
    client = Browser(make_app(site))
    yield House(site, Catalogue(store), workings, clock, client)
    client.close()
    engine.dispose()


@pytest.fixture
def client(house: House) -> Browser:
    return house.client


@pytest.fixture
def unfounded(house: House, tmp_path: Path) -> Iterator[Browser]:
    """The same site on a file that is no database."""
    (tmp_path / "no.db").write_bytes(b"no database, and long enough to be read as a header" * 50)
    engine = open_engine(f"sqlite:///{tmp_path}/no.db")
    client = Browser(make_app(replace(house.site, store=store_on(engine))))
    yield client
    client.close()
    engine.dispose()
