"""A proxy in a process of its own, which counts the bytes of all connections in both directions.

``python -m benchmarks.wire PORT`` prints its own port. It prints the counts so far for each line that it reads.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.companions import Companion, companion

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes on the wire, headers included."""

    sent: int
    received: int

    def __sub__(self, before: Traffic) -> Traffic:
        return Traffic(self.sent - before.sent, self.received - before.received)


class Wire:
    """A running proxy in front of a server on loopback."""

    def __init__(self, process: Companion) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{process.address}"

    def traffic(self) -> Traffic:
        """Return the bytes so far."""
        return Traffic(**json.loads(self._process.ask()))


@contextmanager
def counting(url: str) -> Iterator[Wire]:
    """Run a proxy in front of the server at ``url``."""
    with companion("benchmarks.wire", url.rpartition(":")[2]) as process:
        yield Wire(process)


async def _serve(port: int) -> None:
    counts = {"sent": 0, "received": 0}

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        try:
            while data := await reader.read(_CHUNK):
                counts[name] += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, there, "sent"), copy(upstream, writer, "received"))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
