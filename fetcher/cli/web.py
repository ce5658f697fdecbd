"""``fetcher web``: the pages and the API, served by uvicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fetcher.cli.service_lines import notify
from fetcher.settings import read_settings
from fetcher.wiring import SystemClock, open_store

if TYPE_CHECKING:
    import socket


def web(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (FETCHER_WEB_HOST); 0.0.0.0: all interfaces.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port (FETCHER_WEB_PORT); 0: any free port.")
    ] = None,
) -> None:
    """Serve the page and the API until Ctrl-C. They are reachable from this machine only, unless --host is set.

    Examples: fetcher web · fetcher web --host 0.0.0.0 --port 80
    """
    import uvicorn  # noqa: PLC0415  (importing FastAPI and Celery takes a second, which other commands do not need)

    from fetcher.ops.listening import bind  # noqa: PLC0415
    from fetcher.web import WebContext, make_app  # noqa: PLC0415
    from fetcher.web.context import CeleryRuntime  # noqa: PLC0415
    from fetcher.web.session import Sessions  # noqa: PLC0415

    settings = read_settings()
    listening = bind(host or settings.web_host, settings.web_port if port is None else port)
    with listening, open_store(settings) as store:
        runtime, sessions = CeleryRuntime(settings, store), Sessions(settings.web_token)
        web_host = host or settings.web_host
        app = make_app(
            WebContext(settings.model_copy(update={"web_host": web_host}), store, SystemClock(), runtime, sessions)
        )
        serving = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none")
        notify(f"the page and the API: {address_of(listening)}")
        uvicorn.Server(serving).run(sockets=[listening])


def address_of(listening: socket.socket) -> str:
    """Return the URL to open in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
