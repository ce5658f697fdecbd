"""The setting ``FETCHER_FORGES``: what an operator states about hosts of repositories, by host, in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from fetcher.domain.forges import ForgeKind
from fetcher.http.messages import origin

FASTEST: Final = 100.0
"""Most requests a second that the setting accepts."""

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[1-9][0-9]{0,4})?|\[[0-9a-f:.]+\](:[1-9][0-9]{0,4})?")
_API_SUFFIXES: Final = ("/api/v4", "/api/v1", "/api/graphql", "/2.0")
_KINDS: Final = ", ".join(sorted(ForgeKind))
_EXPECTED: Final = 'expected a JSON object of hosts such as {"codeberg.org": {"kind": "forgejo", "token": "…"}}'


class ForgeSetting(BaseModel):
    """One host's entry. Every key is optional: a well-known host needs none but its token."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ForgeKind | None = None
    root: str | None = None
    """Root of pages and API, without a trailing slash and without the API's own path."""
    git: str | None = None
    """Root of clone addresses; ``None``: ``root``."""
    token: SecretStr | None = None
    per_second: Annotated[float, Field(gt=0, le=FASTEST)] | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _kind(cls, value: object) -> object:
        if value is not None and value not in tuple(ForgeKind):
            raise ValueError(f"expected one of {_KINDS}")
        return value

    @field_validator("root", "git")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        where = None if value is None else origin(value)
        if value is None:
            return None
        if where is None or where.scheme not in ("https", "http") or not value.isascii() or "@" in value:
            raise ValueError("expected an http(s) address without a user name")
        return _without_suffix(value.rstrip("/"))

    @field_validator("token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        text = "" if value is None else value.get_secret_value()
        if value is not None and not (text.strip() and text.isascii() and text.isprintable()):
            raise ValueError("is sent in a header and so must be printable ASCII")
        return value


def read_forges(value: object) -> object:
    """Return the entries by host from the setting's JSON text. ``ValueError`` names the host and the key at fault."""
    if not isinstance(value, str):
        return value
    try:
        entries = json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{_EXPECTED}; not JSON at character {error.pos + 1}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or thousands of brackets
        raise ValueError(_EXPECTED) from None
    if not isinstance(entries, dict):
        raise ValueError(_EXPECTED)
    return {_host(host): _entry(host, entry) for host, entry in entries.items()}


Forges = Annotated[Mapping[str, ForgeSetting], BeforeValidator(read_forges)]
"""The setting's type."""


def masked(forges: Mapping[str, ForgeSetting]) -> str:
    """Return the entries as JSON without any token."""
    shown = {
        host: {key: value for key, value in entry.model_dump(mode="json").items() if value is not None}
        for host, entry in forges.items()
    }
    for entry in shown.values():
        entry.update({"token": "***"} if "token" in entry else {})
    return json.dumps(shown)


def _host(text: str) -> str:
    host = text.lower().removeprefix("www.")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{_quoted(text)}: expected a host such as codeberg.org or git.example.org:3000")
    if host == "github.com":
        raise ValueError("github.com: set FETCHER_GITHUB_API_URL and FETCHER_GITHUB_TOKEN instead")
    return host


def _entry(host: str, entry: Any) -> ForgeSetting:
    if not isinstance(entry, dict):
        raise ValueError(f"{host}: expected an object with any of {', '.join(ForgeSetting.model_fields)}")
    try:
        return ForgeSetting.model_validate(entry)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = _quoted(str(fault["loc"][0]))
        raise ValueError(f"{host}: {key}: {_plainly(fault['type'], fault['msg'])}") from None


def _plainly(kind: str, message: str) -> str:
    """Return a fault of one key in plain words, without its value."""
    if kind == "extra_forbidden":
        return f"unknown (known: {', '.join(ForgeSetting.model_fields)})"
    if kind in {"greater_than", "less_than_equal", "float_type", "float_parsing"}:
        return f"expected a number above 0, at most {FASTEST:g}"
    if kind == "string_type":
        return "expected a text"
    return message.removeprefix("Value error, ")


def _quoted(text: str) -> str:
    """Return the beginning of a key for a message; a key with an ``@`` may hold a password and is not shown."""
    return "a host" if "@" in text else ascii(text[:60]) if not text.isprintable() else text[:60]


def _without_suffix(root: str) -> str:
    """Return the site's root of an API's root, which a reader completes again."""
    suffix = next((one for one in _API_SUFFIXES if root.endswith(one)), "")
    return root.removesuffix(suffix).rstrip("/")
