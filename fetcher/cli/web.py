"""``fetcher web``: the pages and the API."""

from __future__ import annotations

from typing import Annotated

import typer

from fetcher.cli.service_lines import notify
from fetcher.settings import read_settings


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
    from fetcher.web.serving import serve  # noqa: PLC0415  (FastAPI and Celery take a second to import)

    settings = read_settings()
    stated = {"web_host": host or settings.web_host, "web_port": settings.web_port if port is None else port}
    serve(settings.model_copy(update=stated), notify)
