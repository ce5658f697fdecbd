"""The web process: the pages and the API, served by uvicorn."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import uvicorn

from fetcher.domain.errors import FetcherError
from fetcher.monitoring.logging import configure_service_logging
from fetcher.ops.lines import report
from fetcher.ops.listening import bind
from fetcher.settings import Settings, read_settings
from fetcher.web.app import make_app
from fetcher.web.context import CeleryRuntime, WebContext
from fetcher.web.rendering import TEMPLATES
from fetcher.web.session import Sessions
from fetcher.wiring import SystemClock, open_store


def serve(settings: Settings, notify: Callable[[str], None]) -> None:
    """Serve on the address of ``settings`` until a signal ends the process; ``notify`` is told the page's URL."""
    with bind(settings.web_host, settings.web_port) as listening, open_store(settings) as store:
        runtime, sessions = CeleryRuntime(settings, store), Sessions(settings.web_token)
        app = make_app(WebContext(settings, store, SystemClock(), runtime, sessions))
        serving = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none")
        notify(f"the page and the API: {address_of(listening)}")
        uvicorn.Server(serving).run(sockets=[listening])


def address_of(listening: socket.socket) -> str:
    """Return the URL to open in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def prepare() -> None:
    """Compile the pages' templates, before processes that share them are forked."""
    for name in TEMPLATES.list_templates():
        TEMPLATES.get_template(name)


def main() -> None:
    """Serve as ``fetcher web`` does, without the command line, whose libraries take 6 MB of a forked process."""
    try:
        settings = read_settings()
        configure_service_logging(settings.log_level, settings.log_format)
        serve(settings, report)
    except FetcherError as error:
        report(str(error), "error")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
