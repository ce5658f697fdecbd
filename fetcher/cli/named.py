"""Packages that a person names by their slugs."""

from __future__ import annotations

from collections.abc import Sequence

from fetcher.domain.errors import RetiredPackage, UnknownPackage
from fetcher.ports import Store
from fetcher.settings import read_settings
from fetcher.store.completing import slugs_from


def complete(incomplete: str) -> list[str]:
    """What a shell offers for a slug; nothing, and no word of why, where there is no catalogue to ask."""
    try:
        return list(slugs_from(read_settings().database, incomplete))
    except Exception:  # noqa: BLE001  (a shell that completes is no place for complaints)
        return []


def named(store: Store, slugs: Sequence[str]) -> list[int]:
    """The ids of the packages called ``slugs``, each once; raises if there is one that nobody knows."""
    found = store.package_ids(slugs)
    missing = [slug for slug in dict.fromkeys(slugs) if slug not in found]
    if missing:
        raise UnknownPackage(f"no package is called {', '.join(missing)}", "`fetcher status` counts what there is")
    return list(dict.fromkeys(found[slug] for slug in slugs))


def named_to_fetch(store: Store, slugs: Sequence[str]) -> list[int]:
    """As ``named``, but raises if an editor has retired one of them."""
    package_ids = named(store, slugs)
    retired = store.slugs(list(store.retired(package_ids)))
    if retired:
        names = " ".join(sorted(retired.values()))
        raise RetiredPackage(f"retired by an editor: {names}", f"`fetcher revive {names}` has them fetched again")
    return package_ids
