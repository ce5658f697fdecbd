"""A fixture that blocks sockets, for tests that need no server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[None]:
    """Block all sockets but Unix sockets: asyncio needs a pair of these for itself."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
