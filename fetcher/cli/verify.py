"""``fetcher verify``: a comparison of commit weeks with GitHub's participation statistics."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from fetcher.broker import embedded_redis_runs
from fetcher.cli.named import complete, named_to_fetch
from fetcher.cli.screen import err, fail, out, plain_table, print_json
from fetcher.domain.formatting import counted
from fetcher.domain.model import Purpose
from fetcher.domain.pauses import refuse_if_paused
from fetcher.settings import Settings, read_settings
from fetcher.upstreams.github.auth import Anonymous
from fetcher.upstreams.github.merges import SAMPLE, Merges
from fetcher.upstreams.github.refresh import GitHubRefresh
from fetcher.upstreams.github.verify import Check
from fetcher.wiring import open_parts

MAX_WAIT = timedelta(seconds=90)
"""Longest wait for statistics that GitHub is still computing."""

_MEANING = {
    Merges.WITH: "participation counts merges: weeks are counted with them",
    Merges.WITHOUT: "participation excludes merges: weeks are counted without them",
    Merges.UNDECIDED: "not decided",
}


def verify(
    slugs: Annotated[
        list[str] | None,
        typer.Argument(help="Packages to compare.", show_default=False, autocompletion=complete),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, max=50, help="Compare this many packages, chosen by their activity.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare weekly commits with GitHub's participation, with and without merges; count as GitHub does from now on.

    Examples: fetcher verify · fetcher verify --sample 10 · fetcher verify django-vies lesscpy --json
    """
    if slugs and sample is not None:
        fail("name packages, or give --sample, not both")
    settings = read_settings()
    check = asyncio.run(_check(settings, slugs or [], sample or SAMPLE))
    if json:
        print_json(_json(check))
    else:
        _print(check)
    for slug, reason in check.unanswered:
        err.print(f"[red]{escape(slug)}[/]: {escape(reason)}")
    if check.unanswered:
        raise typer.Exit(1)
    if not check.comparisons:
        fail("no package to compare: none is active with an unchanged head for a day; name packages")


async def _check(settings: Settings, slugs: list[str], sample: int) -> Check:
    shared = settings.redis_url is not None or embedded_redis_runs(settings)
    parts = await open_parts(settings, max_wait=timedelta(seconds=5), shared=shared)
    try:
        now = parts.clock.now()
        refuse_if_paused(parts.store.pauses.active(now), Purpose.MANUAL, now)
        github = parts.assembly.live(GitHubRefresh)
        if isinstance(github.credential, Anonymous):
            fail("without a token there is no history to compare with: set FETCHER_GITHUB_TOKEN")
        if slugs:
            named = named_to_fetch(parts.store.packages, slugs)
            return await github.merges.check(named, Purpose.MANUAL, MAX_WAIT)
        return await github.merges.check(github.merges.candidates(), Purpose.MANUAL, MAX_WAIT, most=sample)
    finally:
        await parts.aclose()


def _print(check: Check) -> None:
    table = plain_table("package", "participation", "with merges", "without", "found")
    for column in table.columns[1:4]:
        column.justify = "right"
    table.columns[4].no_wrap = False
    for one in check.comparisons:
        found = f"{one.found}{f': {one.reason}' if one.reason else ''}"
        sums = (f"{number:,}" for number in (one.stated, one.with_merges, one.without_merges))
        table.add_row(escape(one.slug), *sums, found)
    if check.comparisons:
        out.print(table)
    out.print(f"{_MEANING[check.finding]} ({counted(len(check.comparisons), 'package')} compared)")
    if check.finding is Merges.UNDECIDED:
        counting = "without" if check.in_force is Merges.WITHOUT else "with"
        out.print(f"weeks are counted {counting} merges, as before")


def _json(check: Check) -> dict[str, Any]:
    return {
        "finding": check.finding,
        "in_force": check.in_force,
        "packages": [asdict(one) for one in check.comparisons],
        "unanswered": [{"slug": slug, "reason": reason} for slug, reason in check.unanswered],
    }
