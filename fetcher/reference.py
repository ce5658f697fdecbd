"""The reference pages, written from the code: ``python -m fetcher.reference`` (``make docs``)."""

from __future__ import annotations

import html
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo
from sqlalchemy import Table

from fetcher.settings import PREFIX, Settings
from fetcher.store.schema import Base

FOLDER = Path(__file__).parent.parent / "docs"

_SETTINGS = """# Settings

Every setting is an environment variable, read once when a process starts. An empty one counts as unset. Spans are
seconds, or `H:MM:SS`, or ISO 8601 (`P1D`). This page is written by `make docs` from `fetcher/settings.py`.

| variable | default | what it is |
|---|---|---|
"""
_EPILOG = re.compile(r"^\[bold\]Examples\[/\]\n((?:\$ .*\n)+)", re.MULTILINE)
_COMMANDS = """# Commands

Results go to stdout, progress and errors to stderr; the exit status is 0 only if all that was asked happened. This page
is what `--help` says, written by `make docs`.

"""
_TABLES = """# Tables

What a database holds, for who reads it with other tools; only Fetcher should write to it. Moments are UTC. A package's
rows go with it. This page is written by `make docs` from `fetcher/store/schema.py`.
"""


def settings_page() -> str:
    """Every environment variable."""
    fields = Settings.model_fields.items()
    rows = [f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |" for name, field in fields]
    return _SETTINGS + "\n".join(rows) + "\n"


def commands_page() -> str:
    """Every command's help, as typer writes it down."""
    command = [sys.executable, "-m", "typer", "fetcher.cli.app", "utils", "docs", "--name", "fetcher"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  (our own command line)
    text = html.unescape(told.partition("\n\n")[2].strip()) + "\n"
    return _COMMANDS + _EPILOG.sub(_examples, "\n".join(map(_filled, text.split("\n"))))


def _examples(epilog: re.Match[str]) -> str:
    """What a terminal is given as examples, as Markdown has them."""
    return f"**Examples**:\n\n```console\n{epilog[1].replace(chr(92) + '[', '[')}```\n"


def _filled(line: str) -> str:
    """A paragraph of prose is one line to typer, and lines of ours here."""
    return line if line.startswith(("$", "*", "|", "`", "#")) else textwrap.fill(line, 120)


def tables_page() -> str:
    """Every table and its columns."""
    parts = [part for table in Base.metadata.sorted_tables for part in _table(table)]
    return _TABLES + "\n".join(parts) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "tables.md": tables_page,
}


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return _COMPUTED.get(field.description or "", "computed")
    if field.default is None:
        return "unset"
    return f"`{field.default}`"


_COMPUTED = {
    Settings.model_fields["data_dir"].description or "": "the user's data folder",
    Settings.model_fields["pypi_url"].description or "": "the public index",
    Settings.model_fields["time_zone"].description or "": "`UTC`",
}


def _table(table: Table) -> Iterator[str]:
    says = next(mapper.class_.__doc__ for mapper in Base.registry.mappers if mapper.local_table is table)
    yield f"\n## `{table.name}`\n\n{inspect.cleandoc(says or '').replace('``', '`')}\n"
    yield "| column | type | |\n|---|---|---|"
    for column in table.columns:
        remarks = [
            "key" if column.primary_key else "" if column.nullable else "always set",
            *(f"→ `{key.target_fullname}`" for key in column.foreign_keys),
        ]
        yield f"| `{column.name}` | {str(column.type).lower()} | {', '.join(filter(None, remarks))} |"


if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), "utf-8")
