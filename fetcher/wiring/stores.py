"""The store, and the upstreams by which it parses addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fetcher.data_folder import make_private, make_private_file

if TYPE_CHECKING:
    from fetcher.domain.forges import ForgeKind
    from fetcher.domain.model import CatalogueEntry
    from fetcher.settings import Settings
    from fetcher.store import SqlStore
    from fetcher.upstreams.current import CurrentUpstreams
    from fetcher.upstreams.registry import Upstreams


def open_store(settings: Settings) -> SqlStore:
    """Return the store after migrating the embedded default database; ``StoreError`` if another one is outdated.

    The caller closes it, by ``with`` or ``close``.
    """
    return open_with_upstreams(settings)[0]


def upstreams_in(settings: Settings, store: SqlStore) -> Upstreams:
    """Return the upstreams of the settings and of the catalogue's hosts."""
    from fetcher.upstreams.registry import upstreams_of  # noqa: PLC0415

    return upstreams_of(settings, store.forges.all())


def open_with_upstreams(settings: Settings) -> tuple[SqlStore, CurrentUpstreams]:
    """Return the store, and the upstreams by which it parses addresses."""
    from fetcher.store import SqlStore, open_engine, require_current, upgrade  # noqa: PLC0415
    from fetcher.store.forges import ForgeRules  # noqa: PLC0415
    from fetcher.upstreams.current import CurrentUpstreams  # noqa: PLC0415

    if settings.embedded_database:
        database = settings.data_dir / "fetcher.db"
        if not database.exists():  # an existing one may be another user's, who lets this one read it
            make_private(settings.data_dir)
            make_private_file(database)
    engine = open_engine(settings.database)
    (upgrade if settings.embedded_database else require_current)(engine)

    store = SqlStore(
        engine,
        read_repo=lambda text: current.get().repository(text),
        read_project=lambda text: current.get().project(text),
        serving=lambda source, host: current.get().of(source, host),
        rules=ForgeRules(
            stated=_stated_kinds,
            lists=lambda host: current.get().lists(host),
            changed=lambda: current.renew(),  # noqa: PLW0108  (assigned below)
        ),
    )
    current = CurrentUpstreams(settings, store.forges.all)
    return store, current


def _stated_kinds(entries: Iterable[CatalogueEntry]) -> Mapping[str, ForgeKind]:
    from fetcher.upstreams.hosted.hosts import stated_kinds  # noqa: PLC0415

    return stated_kinds(entries)
