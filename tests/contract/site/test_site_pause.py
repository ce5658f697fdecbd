"""An operator's pause and the passes over a site's database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher.domain.pauses import OperatorPause, PauseScope
from fetcher.settings import read_settings
from fetcher.sites.synchronizer import Synchronizer
from fetcher.store import SqlStore
from fetcher.wiring import Parts, open_parts
from tests.harness.directory import Directory
from tests.harness.stack import variables


@contextmanager
def worker(directory: Directory, folder: Path) -> Iterator[Parts]:
    """Provide the objects of a worker process."""

    async def opened() -> Parts:
        return await open_parts(read_settings(variables({"site_url": directory.url, "data_dir": folder})), shared=False)

    with asyncio.Runner() as runner:
        parts = runner.run(opened())
        try:
            yield parts
        finally:
            runner.run(parts.aclose())


def pause(store: SqlStore, scope: PauseScope) -> None:
    store.pauses.pause(OperatorPause(scope, datetime.now(UTC), None, "moving the site", "alice"))


@pytest.mark.parametrize("scope", list(PauseScope))
def test_a_pause_stops_passes_until_it_is_resumed(directory: Directory, tmp_path: Path, scope: PauseScope) -> None:
    """Background work has no passes during a pause of either scope, and the same ones after it."""
    with worker(directory, tmp_path) as parts:
        before = parts.site_passes()
        assert isinstance(before, Synchronizer)
        pause(parts.store, scope)
        assert parts.site_passes() is None
        parts.store.pauses.resume(datetime.now(UTC))
        assert parts.site_passes() is before
