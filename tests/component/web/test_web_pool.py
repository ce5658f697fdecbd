"""More concurrent requests than database connections: each gets a response."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx

from fetcher.store import open_engine
from fetcher.store.engine import BUSY_SECONDS, POOL_SECONDS
from fetcher.web import make_app
from tests.component.web.conftest import Harness
from tests.harness.stores import store_on

MANY = 30
PATHS = ("/readyz", "/", "/packages", "/api/v4/packages/")


async def _get_all(app: object) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://directory.test") as client:
        return await asyncio.gather(*(client.get(PATHS[number % len(PATHS)]) for number in range(MANY)))


def test_no_connection_is_free(harness: Harness, tmp_path: Path, sqlite_template: Path) -> None:
    """While all connections are in use, the status is 503 with a message. Afterwards every request succeeds."""
    path = shutil.copy(sqlite_template, tmp_path / "pool.db")
    engine = open_engine(f"sqlite:///{path}", pool_size=1, timeout=1)
    app = make_app(replace(harness.context, store=store_on(engine)))
    with ExitStack() as held:
        for _ in range(1 + 10):  # the pool's size and its overflow
            held.enter_context(engine.connect())
        refused = asyncio.run(_get_all(app))
    answered = asyncio.run(_get_all(app))
    engine.dispose()

    assert {answer.status_code for answer in refused} == {503}
    assert all("has no connection free" in answer.text for answer in refused)
    assert 503 not in {answer.status_code for answer in answered if "/readyz" not in str(answer.url)}


def test_a_connection_timeout_is_shorter_than_a_lock_timeout(tmp_path: Path) -> None:
    """A request without a free connection fails within seconds."""
    engine = open_engine(f"sqlite:///{tmp_path}/any.db")
    assert engine.pool.timeout() == POOL_SECONDS < BUSY_SECONDS  # type: ignore[attr-defined]
    engine.dispose()
