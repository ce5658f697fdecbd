"""``fetcher settings``: the effective value and the origin of each setting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from rich.markup import escape

from fetcher.cli.screen import err, out, plain_table, print_json
from fetcher.domain.spans import written
from fetcher.forge_settings import masked
from fetcher.misspelt import spelling_warnings, unknown_to_fetcher
from fetcher.settings import PREFIX, Settings, read_settings, variables_read

_MASK = "***"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as this process uses it."""

    name: str
    value: str | None
    """The value without secrets; ``None`` if it is unset."""
    origin: str
    """``default``, or the name of the environment variable."""
    meaning: str


def settings(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the effective value and the origin of each setting. Secrets are masked.

    Examples: fetcher settings · fetcher settings --json
    """
    found = effective(os.environ)
    if json:
        unknown = [{"name": name, "nearest": nearest} for name, nearest in unknown_to_fetcher(os.environ).items()]
        print_json({"settings": [asdict(one) for one in found], "unknown": unknown})
        return
    table = plain_table("variable", "value", "origin")
    table.columns[1].no_wrap = False
    table.columns[1].overflow = "fold"
    for one in found:
        value = "[dim]unset[/]" if one.value is None else escape(one.value)
        origin = "environment" if one.origin == one.name else one.origin
        table.add_row(one.name, value, origin if origin == "default" else f"[bold]{origin}[/]")
    out.print(table)
    for line in spelling_warnings(os.environ):
        err.print(f"warning: {line}", markup=False)


def effective(environment: Mapping[str, str]) -> list[Effective]:
    """Return every setting. Raise ``ConfigError`` for a value that is invalid."""
    read, variables = read_settings(environment), variables_read(environment)
    return [
        Effective(
            PREFIX + name.upper(),
            _shown(name, getattr(read, name)),
            variables[name] if environment.get(variables[name], "").strip() else "default",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(name: str, value: object) -> str | None:
    """Return a value as text. Passwords in addresses are masked, and other secrets completely."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return _without_password(secret) if name.endswith("_url") else _MASK
    text = written(value) if isinstance(value, timedelta) else str(value)
    return _without_password(text) if name.endswith("_url") or "://" in text else text


def _without_password(address: str) -> str:
    """Return an address with its password masked, and without its query, which may contain one."""
    try:
        parts = urlsplit(address)
        user, _, host = parts.netloc.rpartition("@")
    except ValueError:
        return _MASK
    name, colon, _ = user.partition(":")
    shown = f"{name if colon else _MASK}:{_MASK}@{host}" if user else host
    query = f"?{_MASK}" if parts.query else ""
    if not parts.scheme:
        return _MASK
    return f"{parts.scheme}://{shown}{parts.path}{query}"
