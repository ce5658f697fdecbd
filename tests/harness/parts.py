"""The parts of a process, built and closed in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fetcher.ports import Clock
from fetcher.settings import Settings
from fetcher.wiring import Parts, open_parts

_T = TypeVar("_T")


def with_parts(settings: Settings, work: Callable[[Parts], Awaitable[_T]], clock: Clock | None = None) -> _T:
    """Return the result of ``work`` in a process that has just begun."""

    async def run() -> _T:
        parts = await open_parts(settings, shared=False, clock=clock)
        try:
            return await work(parts)
        finally:
            await parts.aclose()

    return asyncio.run(run())
