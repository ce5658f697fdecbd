"""Spans as users type them: ``90``, ``90s``, ``10m``, ``2h``, ``1d`` and ``1:30:00``."""

from __future__ import annotations

import re
from datetime import timedelta

EXPECTED = "expected seconds such as 90, or 90s, 10m, 2h, 1d, or H:MM:SS such as 1:30:00"

LONGEST = timedelta(days=3650)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)
_CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d)", re.ASCII)


def read_span(text: str) -> timedelta:
    """Return the span that ``text`` states, zero included; raise ``ValueError`` with the expected forms."""
    text = text.strip()
    seconds = None
    if number := _NUMBER.fullmatch(text):
        seconds = float(number[1]) * _UNITS[number[2] or "s"]
    elif clock := _CLOCK.fullmatch(text):
        seconds = int(clock[1]) * 3600.0 + int(clock[2]) * 60 + int(clock[3])
    if seconds is None or seconds > LONGEST.total_seconds():
        raise ValueError(EXPECTED)
    return timedelta(seconds=seconds)


def written(span: timedelta) -> str:
    """Return ``span`` as ``read_span`` reads it, in its largest whole unit."""
    seconds = span.total_seconds()
    unit = next((name for name in "dhm" if seconds and not seconds % _UNITS[name]), "s")
    return f"{seconds / _UNITS[unit]:.10g}{unit}"
