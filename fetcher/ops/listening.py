"""The listening socket of the page and the API."""

from __future__ import annotations

import socket

from fetcher.domain.errors import ConfigError

BACKLOG = 512


def bind(host: str, port: int, remedy: str = "Choose another with --port or FETCHER_WEB_PORT") -> socket.socket:
    """Return a listening socket. Raise ``ConfigError`` with ``remedy`` if the address is unavailable."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot listen on {host}, port {port}: {reason}", remedy) from None
    return listening
