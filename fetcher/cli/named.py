"""Packages named by slug on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fetcher.domain.errors import RetiredPackage, UnknownPackage

if TYPE_CHECKING:
    from fetcher.store.packages import Packages


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
        raise UnknownPackage(
            f"no package is called {', '.join(missing)}", "`fetcher status` shows the number of packages"
        )
    return list(dict.fromkeys(found[slug] for slug in slugs))


def named_to_fetch(packages: Packages, slugs: Sequence[str]) -> list[int]:
    """Return ids as ``named`` does; raise ``RetiredPackage`` if a package is retired."""
    package_ids = named(packages, slugs)
    retired = packages.slugs(list(packages.retired(package_ids)))
    if retired:
        names = " ".join(sorted(retired.values()))
        raise RetiredPackage(f"retired by an editor: {names}", f"Run `fetcher revive {names}` to fetch them again")
    return package_ids
