"""The listening socket of the page and the API."""

from __future__ import annotations

import errno
import socket

from fetcher.domain.errors import ConfigError

BACKLOG = 512


PORT_REMEDY = "Choose another with --port or FETCHER_WEB_PORT"
HOST_REMEDY = "Choose an address of this machine with --host or FETCHER_WEB_HOST"


def bind(host: str, port: int, port_remedy: str = PORT_REMEDY, host_remedy: str = HOST_REMEDY) -> socket.socket:
    """Return a listening socket. Raise ``ConfigError`` with one of the remedies if the address is unavailable."""
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
        wrong_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        remedy = host_remedy if wrong_host else port_remedy
        raise ConfigError(f"cannot listen on {host}, port {port}: {reason}", remedy) from None
    return listening
