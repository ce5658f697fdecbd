"""``fetcher flower``: Flower, Celery's monitor of workers and tasks, behind a password."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, NamedTuple

import typer

from fetcher.cli.screen import err
from fetcher.domain.errors import ConfigError
from fetcher.settings import Settings, read_settings

KEPT = 5_000
"""Tasks that Flower keeps in memory; its default is 100,000."""

UNGUARDED = ("/metrics", "/healthcheck")
"""Routes that Flower serves without a password. They are removed; ``fetcher web`` has both."""


class Login(NamedTuple):
    """Credentials for HTTP basic authentication."""

    user: str
    password: str


def flower(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all interfaces.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free port.")] = 5555,
    control: Annotated[
        bool, typer.Option("--control", help="Allow users to stop workers and send tasks; default: read-only.")
    ] = False,
    or_wait: Annotated[
        bool,
        typer.Option(
            "--or-wait", help="If it cannot start, print the reason and wait, so that honcho keeps the rest running."
        ),
    ] = False,
) -> None:
    """Serve Flower, Celery's monitor of workers and tasks, until Ctrl-C. Needs a password and `fetcher[flower]`.

    Examples: fetcher flower · fetcher flower --port 5556 --control
    """
    try:
        login = login_of(read_settings())
        if find_spec("flower") is None:
            raise ConfigError("Flower is not installed", "pip install 'fetcher[flower]'")
    except ConfigError as error:
        if not or_wait:
            raise
        err.print(f"flower is not started: {error}", markup=False)
        signal.pause()
        return
    serve(host, port, login, control=control, tell=lambda line: err.print(line, markup=False))


def login_of(settings: Settings) -> Login:
    """Return Flower's credentials; raise ``ConfigError`` without a password."""
    secret = settings.flower_password or settings.web_token
    if secret is None:
        raise ConfigError(
            "Flower shows workers and tasks, so it needs a password",
            "Set FETCHER_FLOWER_PASSWORD, or FETCHER_WEB_TOKEN as its fallback",
        )
    return Login(settings.flower_user, secret.get_secret_value())


def serve(host: str, port: int, login: Login, *, control: bool, tell: Callable[[str], None]) -> None:
    """Serve Flower in this process: the password is in no process list, and no configuration file is read."""
    from flower import urls  # noqa: PLC0415  (an extra, which no other command needs)
    from flower.app import Flower  # noqa: PLC0415
    from flower.options import default_options as options  # noqa: PLC0415

    from tasks import app  # noqa: PLC0415

    options.address, options.port = host, port
    options.basic_auth = [f"{login.user}:{login.password}"]
    options.max_tasks, options.read_only = KEPT, not control
    urls.handlers[:] = [one for one in urls.handlers if not (isinstance(one, tuple) and one[0] in UNGUARDED)]
    served = Flower(capp=app, options=options, **urls.settings)
    try:
        listening = served.start_http_server()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror or type(error).__name__}",
            "Choose another with --port",
        ) from None
    tell(f"flower: http://{host}:{listening}/ (user {login.user})")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        served.start()
    except KeyboardInterrupt:
        pass
    finally:
        served.stop()
