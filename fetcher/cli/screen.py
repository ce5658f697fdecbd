"""Output of commands: results to stdout, messages to stderr."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of each command whose result a script may read."""

UNLIMITED = 10_000
"""Width of a table in a pipe, in columns: no cell is cut or wrapped, so that ``grep`` finds its text."""


NARROW = 60
"""Width of a terminal below which a table that does not fit is printed as one line a cell."""


class _Screen(Console):
    """A console that limits the width on a terminal only."""

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        return found if self.is_terminal else ConsoleDimensions(UNLIMITED, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


out = _Screen(highlight=False, soft_wrap=True, emoji=False)
err = _Screen(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def fail(message: str) -> NoReturn:
    """Print an error line to stderr and exit with status 1."""
    complain(message)
    raise typer.Exit(1)


def complain(message: str) -> None:
    """Print an error line to stderr."""
    err.print(f"[bold red]error:[/] {escape(message)}")


def print_json(value: Any) -> None:
    """Print ``value`` as JSON to stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


class PlainTable(Table):
    """A table without a frame, for terminals of 80 columns. A narrow terminal gets one line a cell instead."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wanted = Measurement.get(console, options.update(max_width=UNLIMITED), self).maximum
        if options.max_width >= NARROW or wanted <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        if self.title:
            yield console.render_str(str(self.title))
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            first, *rest = zip(self.columns, cells, strict=True)
            yield first[1]
            for column, cell in rest:
                line = Table.grid("", Column(no_wrap=True), Column(overflow="fold"), padding=(0, 1, 0, 0))
                line.add_row("", f"{column.header}:", cell)
                yield line


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Build a table with one line below the headings."""
    table = PlainTable(
        *columns,
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in table.columns:
        column.no_wrap = True
    return table


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
