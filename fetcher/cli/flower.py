"""``fetcher flower``: Celery's own view of workers and tasks, behind a password."""

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
"""Tasks that Flower remembers; by default it would keep 100,000 in memory."""

UNGUARDED = ("/metrics", "/healthcheck")
"""What Flower answers without a password: taken out. ``fetcher web`` has both."""


class Login(NamedTuple):
    """What a browser is asked for."""

    user: str
    password: str


def flower(
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0: everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: any that is free.")] = 5555,
    control: Annotated[
        bool, typer.Option("--control", help="Let whoever logs in stop workers and send tasks, too; else read only.")
    ] = False,
    or_wait: Annotated[
        bool,
        typer.Option("--or-wait", help="Where it cannot start, say why and wait, so that honcho stops nobody else."),
    ] = False,
) -> None:
    """Serve Flower, Celery's own view of workers and tasks, until Ctrl-C. It needs a password and `fetcher[flower]`.

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
    """Who may look, or ``ConfigError``: nobody may without a password."""
    secret = settings.flower_password or settings.web_token
    if secret is None:
        raise ConfigError(
            "Flower shows workers and tasks, so it needs a password",
            "Set FETCHER_FLOWER_PASSWORD, or FETCHER_WEB_TOKEN, which it takes else",
        )
    return Login(settings.flower_user, secret.get_secret_value())


def serve(host: str, port: int, login: Login, *, control: bool, tell: Callable[[str], None]) -> None:
    """Serve it in this process, so that the password is in no process list and no file of the folder is read."""
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
