"""The web process with more connections than a page needs, as a scanner or a broken proxy opens them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fetcher.simulator.server import Simulator
from tests.harness.processes import PATIENCE
from tests.harness.web import PACKAGE, Web, web

CONNECTIONS = 500


@pytest.fixture
def served(tmp_path: Path, simulator: Simulator, redis_url: str) -> Iterator[Web]:
    with web(tmp_path, simulator, redis_url) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "], ids=["silent", "unfinished"])
def test_five_hundred_open_connections_leave_room(served: Web, begun: bytes) -> None:
    """Connections without a complete request do not keep others waiting, and no page fails afterwards."""
    address = urlsplit(str(served.client.base_url))
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            one = socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)
            opened.enter_context(one)
            one.sendall(begun)
        statuses = [served.client.get(path).status_code for path in ("/healthz", "/", f"/packages/{PACKAGE}")]
        assert statuses == [200, 200, 200]
    assert served.client.get("/readyz").status_code in {200, 503}  # no worker runs; it answers all the same
    assert "Traceback" not in served.stack.logs()


@pytest.mark.slow
def test_five_hundred_requests_at_once_are_all_answered(served: Web) -> None:
    """Requests that were sent before any answer was read each get one."""
    address = urlsplit(str(served.client.base_url))
    request = f"GET /api/v4/packages/{PACKAGE}/ HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
    with ExitStack() as opened:
        sent = []
        for _ in range(CONNECTIONS):
            one = socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)
            sent.append(opened.enter_context(one))
            one.sendall(request.encode())
        firsts = [_whole(one).partition(b"\r\n")[0] for one in sent]
    assert set(firsts) == {b"HTTP/1.1 200 OK"}


def _whole(connection: socket.socket) -> bytes:
    """Return everything that the server sends until it closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
