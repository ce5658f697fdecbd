"""``fetcher sync``: keep the catalogue equal to a source."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from fetcher.cli.screen import Json, complain, err, out, print_json
from fetcher.cli.users import system_user
from fetcher.domain.audit import Action, AuditEntry
from fetcher.settings import read_settings
from fetcher.sync.decisions import MAX_LOSS
from fetcher.wiring import SystemClock, open_store, synchronization, user_agent

_NO_SOURCE = (
    "no source is given, and FETCHER_SYNC_SOURCE is not set. Give a file, a folder or the address of a directory's "
    "API: `fetcher sync packages.json` or `fetcher sync https://directory.example/api/v4/packages/`"
)


def sync(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE|FOLDER|URL", help="Default: FETCHER_SYNC_SOURCE.", show_default=False),
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option("--max-loss", min=0, max=1, help="Share of the known packages that may be absent."),
    ] = MAX_LOSS,
    json: Json = False,
) -> None:
    """Import a source, retire packages that vanished from it, and revive packages that returned.

    A package is retired when it is absent from two complete readings in a row. Only packages that the source has listed
    before are concerned, and only a package retired by `sync` is revived. A source that fails, is empty, has rejected
    records or lacks more than --max-loss retires nothing, and the exit status is 1.

    Examples: fetcher sync packages.json · fetcher sync https://directory.example/api/v4/packages/ --json
    """
    from fetcher.sync.reading import synchronize  # noqa: PLC0415  (HTTPX would delay shell completion)

    settings, clock = read_settings(), SystemClock()
    given = source or settings.sync_source
    if not given:
        complain(_NO_SOURCE)
        raise typer.Exit(2)
    with open_store(settings) as store:
        work = synchronization(store, given, clock, max_loss)
        result = asyncio.run(synchronize(work, user_agent(settings)))
        if result.retired or result.revived:
            store.audit.append([AuditEntry(clock.now(), system_user(), Action.SYNC, detail=result.in_words())])
    if json:
        print_json(asdict(result))
    else:
        out.print(escape(result.in_words()))
    for reason in result.rejected:
        err.print(f"[bold red]rejected[/] {escape(reason)}")
    if result.refused:
        complain(f"nothing was retired: {result.refused}. If the source is right, repeat with a larger --max-loss")
    if result.refused or result.rejected_count:
        raise typer.Exit(1)
