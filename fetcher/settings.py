"""Settings, read once from a mapping of environment variables and coerced only here. Every ``repr`` hides secrets.

The settings' reference page is generated from the fields below (``make docs``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platformdirs import user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from fetcher.domain.errors import ConfigError
from fetcher.http.messages import origin

PREFIX = "FETCHER_"


def _seconds(value: object) -> object:
    """Convert a bare number to seconds. Other forms are left to pydantic ("1:30:00", "P1D")."""
    if isinstance(value, str):
        try:
            return timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            return value
    return value


Span = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0), le=timedelta(days=3650))]

_WORDS = {"time_delta_parsing": "expected seconds such as 86400, or a span such as 1:30:00 or P1D"}
"""Messages for users in place of pydantic's messages for programmers."""


PUBLIC_API = "https://api.github.com"
"""Default root of GitHub's REST API."""


def default_index_root() -> str:
    """Return the public index's root without a trailing slash, from the library pypi-simple."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # noqa: PLC0415  (its HTML parser takes a tenth of a second to import)

    return PYPI_SIMPLE_ENDPOINT.rstrip("/").removesuffix("/simple")


class Settings(BaseModel):
    """The settings. Each is an environment variable: ``FETCHER_`` and the field's name in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("fetcher", appauthor=False),
        description="Folder of the embedded database and Redis.",
    )
    database_url: SecretStr | None = Field(
        default=None, description="SQLAlchemy address of the database; unset: a SQLite file in the data folder."
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey (redis://, rediss://, unix://); unset: the one that `fetcher up` embeds.",
    )
    github_api_url: str = Field(
        default=PUBLIC_API, description="Root of GitHub's REST API; an Enterprise server's ends in /api/v3."
    )
    github_token: SecretStr | None = Field(default=None, description="GitHub token; otherwise GITHUB_TOKEN is read.")
    github_app_id: str | None = Field(default=None, description="Id or client id of a GitHub App.")
    github_app_private_key: SecretStr | None = Field(default=None, description="The App's private key (PEM).")
    github_app_private_key_file: Path | None = Field(default=None, description="File with the private key.")
    github_app_installation_id: int | None = Field(default=None, description="Id of the App's installation.")
    pypi_url: str = Field(
        default_factory=default_index_root,
        repr=False,  # may contain a mirror's password
        description="Root of the package index: {root}/pypi/NAME/json, {root}/simple/.",
    )
    contact: str | None = Field(default=None, description="Contact for the upstreams' operators, in the User-Agent.")
    time_zone: ZoneInfo = Field(default_factory=lambda: ZoneInfo("UTC"), description="Time zone of times in documents.")
    refresh_interval: Span = Field(default=timedelta(days=1), description="Interval between refreshes of a package.")
    recheck_interval: Span = Field(
        default=timedelta(days=30), description="Interval between full requests of lists that show no change."
    )
    plan_interval: Span = Field(default=timedelta(minutes=1), description="Interval at which beat dispatches due work.")
    lease: Span = Field(default=timedelta(minutes=15), description="Time limit of a worker's claim.")
    history_days: int = Field(default=3 * 366, ge=1, description="Days for which daily values are kept.")
    serial_threshold: int = Field(
        default=500,
        ge=1,
        description="Projects above which the index's root is requested instead of each project.",
    )
    window_scale: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor for the length of GitHub's quota windows; below 1 only with a simulator.",
    )
    workers: int = Field(default=2, ge=1, le=64, description="Background worker processes of `fetcher up`.")
    web_host: str = Field(
        default="127.0.0.1", description="Address on which the page and the API listen; 0.0.0.0: all."
    )
    web_port: int = Field(default=8080, ge=0, le=65535, description="Port of the page and the API; 0: any free port.")
    web_hosts: str = Field(
        default="",
        description=(
            "Further names by which the page and the API are addressed, separated by commas; "
            "`*`: any. A request for another host gets status 400."
        ),
    )
    web_token: SecretStr | None = Field(
        default=None,
        description="Operator's token, to log in to the page and request refreshes by HTTP; unset: both disabled.",
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged."
    )

    @field_validator("time_zone", mode="before")
    @classmethod
    def _zone(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return ZoneInfo(value)
            except (OSError, ValueError, ZoneInfoNotFoundError):
                raise ValueError("not a time zone such as Europe/Berlin or UTC") from None
        return value

    @field_validator("github_api_url", "pypi_url")
    @classmethod
    def _root(cls, value: str) -> str:
        where = origin(value)
        if where is None or where.scheme not in ("https", "http"):
            raise ValueError("not an http(s) address")
        return value.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        """Check the address here. Later errors would quote the faulty part, which may belong to the password."""
        if value is not None:
            where = origin(value.get_secret_value())
            remote = where is not None and where.scheme in ("redis", "rediss")
            if not remote and not value.get_secret_value().startswith("unix://"):
                raise ValueError("not a redis://, rediss:// or unix:// address (special characters as %40, %2F …)")
        return value

    @field_validator("github_token", "web_token", "contact", mode="before")
    @classmethod
    def _header(cls, value: object) -> object:
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            raise ValueError("is sent in a header and so must be printable ASCII")
        return value

    @property
    def database(self) -> str:
        """The database's address, with its password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'fetcher.db'}"

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    def app_private_key(self) -> str | None:
        """Return the App's key, from the setting or from its file."""
        if self.github_app_private_key is not None:
            return self.github_app_private_key.get_secret_value()
        if self.github_app_private_key_file is None:
            return None
        try:
            return self.github_app_private_key_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"FETCHER_GITHUB_APP_PRIVATE_KEY_FILE cannot be read ({type(error).__name__})",
                "Name a PEM file that this user may read",
            ) from None


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in ``environment`` (default: the process's). An empty variable counts as unset."""
    environment = os.environ if environment is None else environment
    variables = {name: PREFIX + name.upper() for name in Settings.model_fields}
    if not environment.get(variables["github_token"], "").strip():
        variables["github_token"] = "GITHUB_TOKEN"  # noqa: S105  (the name of a variable)
    given = {name: text for name, variable in variables.items() if (text := environment.get(variable, "").strip())}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        variable = variables[str(fault["loc"][0])]
        wrong = _WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        raise ConfigError(f"{variable}: {wrong}", "Correct the variable or unset it") from None
