"""Settings, read once from a mapping of environment variables and coerced only here. Every ``repr`` hides secrets.

The settings' reference page is generated from the fields below (``make docs``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platformdirs import user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from fetcher.domain.errors import ConfigError
from fetcher.domain.sites import GonePolicy
from fetcher.domain.spans import read_span
from fetcher.forge_settings import Forges
from fetcher.http.messages import origin

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "FETCHER_"
_ENDPOINT = "PYPI_SIMPLE_ENDPOINT"


def _seconds(value: object) -> object:
    """Convert seconds, and the spans of the commands' options. ISO 8601 ("P1D") is left to pydantic."""
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            return timedelta(seconds=float(value))
        with suppress(ValueError):
            return read_span(value)
    return value


LONGEST = timedelta(days=3650)
"""Longest span that a setting may have."""

AUTO: Final = "auto"
"""Value of ``refresh_interval`` for intervals that follow from the quota."""

Span = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0), le=LONGEST)]

_A_SPAN = "expected seconds such as 86400, or a span such as 90s, 10m, 24h, 30d or 1:30:00"
_WORDS = {
    "time_delta_parsing": _A_SPAN,
    "int_parsing": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_parsing": "expected a number",
    "string_unicode": "expected text in UTF-8",
}
"""Messages for users in place of pydantic's messages for programmers."""

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LOG_FORMATS = ("auto", "json", "text")
_GONE = tuple(policy.value for policy in GonePolicy)
_TLS = ("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile")
_REDIS_OPTIONS = {"redis": set[str](), "rediss": set(_TLS), "unix": {"db"}}
"""Options in an address of Redis, by its scheme: those that redis-py and Celery read alike."""


PUBLIC_API = "https://api.github.com"
"""Default root of GitHub's REST API."""


@cache
def default_index_root() -> str:
    """Return the public index's root without a trailing slash, from the library pypi-simple.

    The constant is read from the library's source, because importing it (with its HTML parser and requests) takes a
    tenth of a second and ten megabytes in every process.
    """
    return _index_endpoint().rstrip("/").removesuffix("/simple")


def _index_endpoint() -> str:
    spec = find_spec("pypi_simple")
    source = Path(spec.origin).read_text("utf-8") if spec is not None and spec.origin is not None else ""
    found = re.search(rf'^{_ENDPOINT}\b[^=\n]*= *"([^"\n]+)"', source, re.MULTILINE)
    if found is not None:
        return found[1]
    return str(getattr(import_module("pypi_simple"), _ENDPOINT))


def default_workers() -> int:
    """Return the number of cores, two at most: GitHub's quota, not the processor, limits a larger number."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 2)


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
    site_url: SecretStr | None = Field(
        default=None,
        description=(
            "PostgreSQL address of a Django Packages site's own database, which is kept up to date; unset: none. "
            "`fetcher site grants` prints the role's rights."
        ),
    )
    site_gone: str = Field(
        default="tell",
        description=(
            "Packages of the site whose repository is missing: tell (editors see them in `fetcher failures`), or "
            "date_deprecated (set after three failures in 31 days, cleared when it responds again)."
        ),
    )
    github_api_url: str = Field(
        default=PUBLIC_API, description="Root of GitHub's REST API; an Enterprise server's ends in /api/v3."
    )
    github_token: SecretStr | None = Field(default=None, description="GitHub token; otherwise GITHUB_TOKEN is read.")
    github_app_id: str | None = Field(default=None, description="Id or client id of a GitHub App.")
    github_app_private_key: SecretStr | None = Field(default=None, description="The App's private key (PEM).")
    github_app_private_key_file: Path | None = Field(default=None, description="File with the private key.")
    github_app_installation_id: int | None = Field(default=None, description="Id of the App's installation.")
    github_commits: Literal["api", "git"] = Field(
        default="api",
        description=(
            "Source of GitHub's commits, and without a token of its heads: `api`, or `git`, which spends no quota but "
            "more bytes."
        ),
    )
    pypi_url: str = Field(
        default_factory=default_index_root,
        repr=False,  # may contain a mirror's password
        description="Root of the package index: {root}/pypi/NAME/json, {root}/simple/. A trailing /simple is removed.",
    )
    forges: Forges = Field(
        default_factory=dict,
        description=(
            "Hosts of repositories beside GitHub, as a JSON object: host → any of `kind` (bitbucket, forgejo, git, "
            "gitlab), `root`, `git` (root of clone addresses), `token`, `per_second`. Only a host named here may have "
            "a private address."
        ),
    )
    contact: str | None = Field(default=None, description="Contact for the upstreams' operators, in the User-Agent.")
    time_zone: ZoneInfo = Field(default_factory=lambda: ZoneInfo("UTC"), description="Time zone of times in documents.")
    refresh_interval: Span | Literal["auto"] = Field(
        default=AUTO,
        description=(
            "Interval between refreshes of a package; `auto`: the shortest at which statistics and heads stay within "
            "FETCHER_QUOTA_SHARE, and a day for projects."
        ),
    )
    quota_share: float = Field(
        default=0.25, gt=0, le=1, description="Share of each quota that refreshes at the interval `auto` may use."
    )
    recheck_interval: Span = Field(
        default=timedelta(days=30),
        description="Mean time between full requests of an unchanged list: each waits half to one and a half of it.",
    )
    plan_interval: Span = Field(default=timedelta(minutes=1), description="Interval at which beat dispatches due work.")
    lease: Span = Field(default=timedelta(minutes=15), description="Time limit of a worker's claim.")
    history_days: int = Field(default=3 * 366, ge=1, description="Days for which daily values are kept.")
    changes_days: int = Field(default=30, ge=1, description="Days for which the change feed keeps a change.")
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
    workers: int = Field(
        default_factory=default_workers, ge=1, le=64, description="Background worker processes of `fetcher up`."
    )
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
        description="Operator's token, for refreshes, and on the page for retries and pauses; unset: all disabled.",
    )
    hook_secret: SecretStr | None = Field(
        default=None,
        description="Secret of webhooks from any forge; unset: /hooks/ is disabled, except where a forge has its own.",
    )
    hook_secret_github: SecretStr | None = Field(default=None, description="Secret of webhooks from GitHub.")
    hook_secret_gitlab: SecretStr | None = Field(
        default=None, description="Secret token, or signing token (whsec_…), of webhooks from GitLab."
    )
    hook_secret_forgejo: SecretStr | None = Field(
        default=None, description="Secret of webhooks from Forgejo, Codeberg or Gitea."
    )
    sync_source: str | None = Field(
        default=None,
        repr=False,
        description="File, folder or URL with which beat keeps the catalogue equal (`fetcher sync`).",
    )
    sync_interval: Span = Field(default=timedelta(hours=1), description="Interval between readings of that source.")
    webhook_hosts: str = Field(
        default="",
        description=("Hosts of webhook receivers, separated by commas, that may have private addresses and use http."),
    )
    log_level: str = Field(default="INFO", description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(
        default="auto", description="Form of log lines: json, text, or auto: text on a terminal, otherwise JSON."
    )

    @field_validator("refresh_interval", mode="before")
    @classmethod
    def _interval(cls, value: object) -> object:
        return AUTO if isinstance(value, str) and value.lower() == AUTO else value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        return _one_of(_LEVELS, value.upper())

    @field_validator("log_format")
    @classmethod
    def _format(cls, value: str) -> str:
        return _one_of(_LOG_FORMATS, value.lower())

    @field_validator("site_gone")
    @classmethod
    def _gone(cls, value: str) -> str:
        return _one_of(_GONE, value.lower())

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

    @field_validator("pypi_url")
    @classmethod
    def _index_root(cls, value: str) -> str:
        """Accept pip's form of the address, which ends in /simple."""
        return value.removesuffix("/simple").rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        """Check the address here. Later errors would quote the faulty part, which may belong to the password."""
        if value is not None:
            where = origin(value.get_secret_value())
            remote = where is not None and where.scheme in ("redis", "rediss")
            if not remote and not value.get_secret_value().startswith("unix://"):
                raise ValueError("not a redis://, rediss:// or unix:// address (special characters as %40, %2F …)")
            parts = urlsplit(value.get_secret_value())
            if not _REDIS_OPTIONS[parts.scheme].issuperset(dict(parse_qsl(parts.query, keep_blank_values=True))):
                raise ValueError(
                    'has an option after "?" that redis-py or Celery does not take. Write password and database as in '
                    "redis://:password@host:6379/3 or unix://:password@/path?db=3; the other options are those of TLS "
                    f"({', '.join(_TLS)})"
                )
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
    def fixed_interval(self) -> timedelta | None:
        """The interval that an operator has set; ``None``: it follows from the quota."""
        return None if self.refresh_interval == AUTO else self.refresh_interval

    @property
    def embedded_database(self) -> bool:
        return self.database_url is None

    def hook_secret_of(self, forge: str) -> str | None:
        """Return the secret of a forge's webhooks; ``None`` if they are disabled."""
        own = getattr(self, f"hook_secret_{forge}", None) or self.hook_secret
        return None if own is None else own.get_secret_value()

    @property
    def receives_hooks(self) -> bool:
        """True if any forge's webhooks are accepted."""
        secrets = (self.hook_secret, self.hook_secret_github, self.hook_secret_gitlab, self.hook_secret_forgejo)
        return any(one is not None for one in secrets)

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
    variables = variables_read(environment)
    given = {name: text for name, variable in variables.items() if (text := environment.get(variable, "").strip())}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        variable = variables[str(fault["loc"][0])]
        raise ConfigError(f"{variable}: {_plainly(fault)}", "Correct the variable or unset it") from None


def variables_read(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable of each field. The token's is ``GITHUB_TOKEN`` if Fetcher's own variable is unset."""
    variables = {name: PREFIX + name.upper() for name in Settings.model_fields}
    if not environment.get(variables["github_token"], "").strip():
        variables["github_token"] = "GITHUB_TOKEN"  # noqa: S105  (the name of a variable)
    return variables


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return each set ``FETCHER_`` variable that is no setting, with the setting whose name is nearest to it."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name not in known)
    if not unknown:
        return {}
    from difflib import get_close_matches  # noqa: PLC0415  (only a misspelt variable needs it)

    words = {name.removeprefix(PREFIX): name for name in known}
    nearest = {name: get_close_matches(name.upper().removeprefix(PREFIX), words, 1, _ALIKE) for name in unknown}
    return {name: words[found[0]] if found else None for name, found in nearest.items()}


_ALIKE = 0.6
"""Least similarity, from 0 to 1, of a variable and the setting that is suggested for it."""


def _one_of(words: tuple[str, ...], value: str) -> str:
    if value not in words:
        raise ValueError(f"expected {', '.join(words[:-1])} or {words[-1]}")
    return value


def _plainly(fault: ErrorDetails) -> str:
    """Return a fault's message for users. It never contains the value."""
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    kind = fault["type"]
    if kind == "time_delta_parsing" and fault["loc"][0] == "refresh_interval":
        return f"expected {AUTO}, {_A_SPAN.removeprefix('expected ')}"
    if kind == "literal_error":
        words: str = fault["ctx"]["expected"]
        return "expected " + words.replace("'", "")
    if kind not in bounds:
        return _WORDS.get(kind, fault["msg"].removeprefix("Value error, "))
    bound = fault.get("ctx", {}).get(bounds[kind])
    if str(bound).startswith("datetime.timedelta"):
        return "must be longer than 0 seconds" if kind == "greater_than" else f"must be at most {LONGEST.days} days"
    return f"must be {_BOUNDS[kind]} {bound:g}" if isinstance(bound, float) else f"must be {_BOUNDS[kind]} {bound}"


_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
