"""Environment variables that look like a setting and are none: most are misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fetcher.settings import unknown_variables


def unknown_to_fetcher(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return unknown ``FETCHER_`` variables and their nearest settings, without the variables of an added upstream."""
    unknown = unknown_variables(environment)
    if not unknown:
        return {}
    from fetcher.upstreams.registry import KINDS  # noqa: PLC0415  (only a misspelt variable needs it)

    theirs = {name for kind in KINDS for name in kind.variables}
    return {name: nearest for name, nearest in unknown.items() if name not in theirs}


def spelling_warnings(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each unknown ``FETCHER_`` variable."""
    for name, nearest in unknown_to_fetcher(environment).items():
        hint = f"did you mean {nearest}?" if nearest else "`fetcher settings` lists all settings"
        yield f"{name} is not a setting: {hint}"
