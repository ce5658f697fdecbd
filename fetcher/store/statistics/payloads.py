"""Statistics as JSON and back, in a compact form because every view reads the row: histograms are flat lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from fetcher.domain.catalogue_stats import CatalogueStats, Histogram, SourceStats
from fetcher.domain.model import Source
from fetcher.domain.views import PackageState


def payload_of(stats: CatalogueStats) -> dict[str, Any]:
    """Return ``stats`` as JSON values, without ``measured_at``, which is a column."""
    return {
        "settled": {state.value: count for state, count in stats.settled.items()},
        "fetched": _flat(stats.fetched),
        "never_fetched": stats.never_fetched,
        "parts": stats.parts,
        "sources": {source.value: _source_payload(one) for source, one in stats.sources.items()},
    }


def catalogue_stats_of(measured_at: datetime, payload: Mapping[str, Any]) -> CatalogueStats:
    """Return the statistics that ``payload_of`` converted."""
    return CatalogueStats(
        measured_at=measured_at,
        settled={PackageState(state): count for state, count in payload["settled"].items()},
        fetched=_histogram(payload["fetched"]),
        never_fetched=payload["never_fetched"],
        parts=payload["parts"],
        sources={(source := Source(name)): _source(source, one) for name, one in payload["sources"].items()},
    )


def _source_payload(one: SourceStats) -> dict[str, Any]:
    return {
        "packages": one.packages,
        "answers": _flat(one.answers),
        "oldest": None if one.oldest is None else one.oldest.timestamp(),
        "due": _flat(one.due),
        "next_due": None if one.next_due is None else one.next_due.timestamp(),
        "leased": one.leased,
        "failures": dict(one.failures),
    }


def _source(source: Source, payload: Mapping[str, Any]) -> SourceStats:
    return SourceStats(
        source=source,
        packages=payload["packages"],
        answers=_histogram(payload["answers"]),
        oldest=_moment(payload["oldest"]),
        due=_histogram(payload["due"]),
        next_due=_moment(payload["next_due"]),
        leased=payload["leased"],
        failures=payload["failures"],
    )


def _flat(histogram: Histogram) -> list[float]:
    """Return start, end and count of each bucket in one list; whole seconds as integers."""
    numbers = chain.from_iterable(histogram.buckets)
    return [int(number) if number == int(number) else number for number in numbers]


def _histogram(flat: Sequence[float]) -> Histogram:
    return Histogram(tuple(zip(flat[::3], flat[1::3], map(int, flat[2::3]), strict=True)))


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
