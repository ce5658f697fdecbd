"""The results of `fetcher refresh` in this process: JSON on stdout, and lines on stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from fetcher.cli.refreshing import Tally
from fetcher.cli.screen import complain, err
from fetcher.cli.spans import TEMPORARY
from fetcher.domain.formatting import counted, outcome_key


def results(tally: Tally, package_ids: Sequence[int], slugs: Mapping[int, str]) -> dict[str, Any]:
    """Return the results of a run for ``--json``: slugs that were refreshed, failures, and what is still open."""
    rest = unfinished(tally, package_ids)
    return {
        "refreshed": [slugs[one] for one in package_ids if one not in rest and one in slugs],
        "failed": [
            {
                "slug": slugs.get(one, str(one)),
                "source": source,
                "outcome": outcome_key(record.outcome),
                "message": record.message,
            }
            for (one, source), record in sorted(tally.failed.items())
        ],
        "open": [
            {"slug": slugs.get(one, str(one)), "sources": sorted(sources)}
            for one, sources in sorted(tally.open.items())
        ],
        "nothing_to_fetch": [slugs[one] for one in package_ids if one not in tally.requested and one in slugs],
        "stopped": tally.rejected or tally.gave_up or None,
    }


def unfinished(tally: Tally, package_ids: Sequence[int]) -> set[int]:
    """Return the packages with a failed or open source, or without any."""
    sourceless = {package_id for package_id in package_ids if package_id not in tally.requested}
    return {package_id for package_id, _ in tally.failed} | set(tally.open) | sourceless


def print_summary(tally: Tally, package_ids: Sequence[int], slugs: Mapping[int, str]) -> int:
    """Print what failed and what is still open; return the exit status."""
    for (package_id, source), record in sorted(tally.failed.items()):
        err.print(f"[red]{escape(slugs.get(package_id, str(package_id)))}[/]: {source}: {escape(record.message or '')}")
    if tally.rejected:
        complain(f"{tally.rejected}; then `fetcher refresh --due`")
    for package_id, sources in () if tally.rejected else sorted(tally.open.items()):
        names = ", ".join(sorted(sources))
        slug = escape(slugs.get(package_id, str(package_id)))
        err.print(f"[yellow]{slug}[/]: {names}: no response yet; requested again when due")
    if tally.gave_up:
        complain(f"stopped waiting (--max-wait): {tally.gave_up}. Continue with `fetcher refresh --due`")
    sourceless = [package_id for package_id in package_ids if package_id not in tally.requested]
    for package_id in sourceless:
        slug = escape(slugs.get(package_id, str(package_id)))
        err.print(f"[red]{slug}[/]: nothing to fetch: `fetcher show {slug}` prints its addresses")
    failed = unfinished(tally, package_ids)
    err.print(f"refreshed {len(package_ids) - len(failed)} of {counted(len(package_ids), 'package')}")
    if tally.open and not tally.rejected:
        return TEMPORARY
    return 1 if failed else 0
