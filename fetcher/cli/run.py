"""``fetcher up``: all of Fetcher's processes on one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fetcher.misspelt import unknown_to_fetcher

if TYPE_CHECKING:
    from fetcher.settings import Settings

_SQLITE = "sqlite:///"


def up(
    workers: Annotated[int | None, typer.Option(min=1, help="Background worker processes (FETCHER_WORKERS).")] = None,
) -> None:
    """Run all processes on this machine until Ctrl-C: Redis, workers, beat and the page.

    Without configuration it needs no service and no root: it uses SQLite and an embedded Redis in the data folder.
    FETCHER_DATABASE_URL and FETCHER_REDIS_URL replace them.

    Examples: fetcher up · fetcher up --workers 4
    """
    from fetcher.broker import check_redis, embedded_socket  # noqa: PLC0415
    from fetcher.ops.embedded_redis import find_binary  # noqa: PLC0415
    from fetcher.ops.supervise import Installation, become_supervisor  # noqa: PLC0415
    from fetcher.settings import read_settings  # noqa: PLC0415
    from fetcher.wiring import open_store  # noqa: PLC0415

    settings = read_settings()
    open_store(settings).close()
    if settings.redis_url is None:
        find_binary()
    else:
        check_redis(settings)
    environment = _environment(settings)
    installation = Installation(
        data_dir=environment.get("FETCHER_DATA_DIR", str(settings.data_dir)),
        redis_socket=str(embedded_socket(settings)) if settings.redis_url is None else None,
        workers=workers or settings.workers,
        log_level=settings.log_level,
        web_host=settings.web_host,
        web_port=settings.web_port,
    )
    become_supervisor(installation, environment)


def _environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment of all processes. They run in the root folder, so their paths are absolute.

    Python must not import modules of the working folder. Celery's ten-line warning about root becomes one line.
    Misspelt variables are left out: this process has reported them.
    """
    unknown = unknown_to_fetcher(os.environ)
    known = {name: text for name, text in os.environ.items() if name not in unknown}
    environment = {**known, "PYTHONSAFEPATH": "1"}
    if not str(settings.data_dir).startswith("~"):  # no home folder: reported by the supervisor
        environment["FETCHER_DATA_DIR"] = str(settings.data_dir.absolute())
    if settings.github_app_private_key_file is not None:
        environment["FETCHER_GITHUB_APP_PRIVATE_KEY_FILE"] = str(settings.github_app_private_key_file.absolute())
    if settings.database_url is not None and settings.database.startswith(_SQLITE):
        path = os.path.abspath(settings.database.removeprefix(_SQLITE))
        environment["FETCHER_DATABASE_URL"] = f"{_SQLITE}{path}"
    if os.geteuid() == 0:
        environment["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser privileges"
    return environment
