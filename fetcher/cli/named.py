"""Packages named by slug on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fetcher.domain.errors import RetiredPackage, UnknownPackage

if TYPE_CHECKING:
    from fetcher.store.packages import Packages

_NAMED = 10
"""Most unknown slugs named in one message."""

_COMPARED = 3
"""Most unknown slugs compared with the catalogue."""

_SUGGESTED = 3


def complete(incomplete: str) -> list[str]:
    """Return a shell's completions of a slug; an empty list if the catalogue is unavailable."""
    from fetcher.settings import read_settings  # noqa: PLC0415
    from fetcher.store.completion import slugs_from  # noqa: PLC0415

    try:
        return list(slugs_from(read_settings().database, incomplete))
    except Exception:  # noqa: BLE001  (an error message would garble the command line)
        return []


def named(packages: Packages, slugs: Sequence[str]) -> list[int]:
    """Return the ids of the packages named ``slugs``, each once; raise ``UnknownPackage`` for a missing one."""
    found = packages.ids(slugs)
    missing = [slug for slug in dict.fromkeys(slugs) if slug not in found]
    if missing:
        raise unknown(packages, missing)
    return list(dict.fromkeys(found[slug] for slug in slugs))


def unknown(packages: Packages, slugs: Sequence[str]) -> UnknownPackage:
    """Return the error for slugs without a package. It names similar slugs, or the command that finds packages."""
    message = f"no package is called {_some(slugs)}"
    close = list(dict.fromkeys(one for slug in slugs[:_COMPARED] for one in packages.similar(slug)))
    if close:
        return UnknownPackage(message, f"Did you mean {' or '.join(close[:_SUGGESTED])}?")
    if not packages.size():
        return UnknownPackage(message, "There are no packages yet: `fetcher import FILE` or `fetcher add REPO_URL`")
    return UnknownPackage(message, "`fetcher search WORDS` finds packages, and `fetcher list` prints all")


def _some(slugs: Sequence[str]) -> str:
    more = len(slugs) - _NAMED
    return ", ".join(slugs[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def named_to_fetch(packages: Packages, slugs: Sequence[str]) -> list[int]:
    """Return ids as ``named`` does; raise ``RetiredPackage`` if a package is retired."""
    package_ids = named(packages, slugs)
    retired = packages.slugs(list(packages.retired(package_ids)))
    if retired:
        names = " ".join(sorted(retired.values()))
        raise RetiredPackage(f"retired: {names}", f"Run `fetcher revive {names}` to fetch them again")
    return package_ids
