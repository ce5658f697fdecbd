"""Followers of the change feed: clients that wait for the next change.

One look at the database serves all followers of a process, so a hundred waiting clients cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from fetcher.domain.errors import FetcherError

POLL = 1.0
"""Seconds between two looks at the feed while a client waits. It bounds the delay of a change."""

MOST = 200
"""Most clients that wait in one process. Each costs a socket and some kilobytes."""

LONGEST_WAIT = 30.0
"""Longest wait of one request, in seconds. Proxies usually close a connection after a minute of silence."""

STREAM_SECONDS = 900.0
"""Seconds after which a stream ends. Clients connect again by themselves, also to another process."""

KEEP_ALIVE = 15.0
"""Seconds between two comments in a stream, so that no proxy closes it."""


class TooManyFollowers(FetcherError):
    """As many clients wait for changes as this process serves."""


class Followers:
    """The waiting clients of one process. ``read`` returns the position of the newest change."""

    def __init__(self, read: Callable[[], int], poll: float = POLL, most: int = MOST) -> None:
        self.poll = poll
        self.most = most
        self.longest_wait = LONGEST_WAIT
        self.stream_seconds = STREAM_SECONDS
        self.keep_alive = KEEP_ALIVE
        self.count = 0
        self._read = read
        self._position = -1
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count a client while it waits. Raise ``TooManyFollowers`` beyond ``most``."""
        if self.count >= self.most:
            raise TooManyFollowers(
                f"{self.most} clients already wait for changes", "Poll without `wait`, or try again in a minute"
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    async def wait(self, position: int, seconds: float) -> bool:
        """Return whether there is a change after ``position``, as soon as there is one or after ``seconds``."""
        clock = asyncio.get_running_loop().time
        end = clock() + min(seconds, self.longest_wait)
        while await self._latest() <= position:
            if (left := end - clock()) <= 0:
                return False
            await asyncio.sleep(min(self.poll, left))
        return True

    async def _latest(self) -> int:
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if not 0 <= now - self._read_at < self.poll:
                self._position = await run_in_threadpool(self._read)
                self._read_at = now
            return self._position
