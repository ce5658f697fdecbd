"""The parts of the store that a pass over a site uses, as protocols."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from fetcher.domain.model import CatalogueEntry
from fetcher.domain.sites import JournalEntry, LinkedPackage, SitePass, SiteValues
from fetcher.ports import Imported

Stamp: TypeAlias = tuple[Any, ...]


class Links(Protocol):
    """The site's packages in the store: ``fetcher.store.sites.Sites``."""

    def stamps(self) -> Mapping[int, Stamp]: ...

    def linked(self) -> Mapping[int, LinkedPackage]: ...

    def entries(self, package_ids: Sequence[int]) -> Mapping[int, CatalogueEntry]: ...

    def link(self, linked: Iterable[LinkedPackage]) -> None: ...

    def values(self, package_ids: Sequence[int]) -> Sequence[SiteValues]: ...

    def journal(self, entries: Sequence[JournalEntry]) -> None: ...

    def journalled(self) -> Sequence[JournalEntry]: ...

    def forget_journal(self) -> None: ...

    def postpone(self, package_ids: Collection[int], recheck: timedelta) -> int: ...

    def save_pass(self, site: str, result: SitePass) -> None: ...

    def last_pass(self, site: str) -> SitePass | None: ...


class Catalogue(Protocol):
    """The stored catalogue: ``fetcher.store.packages.Packages``."""

    def import_entries(self, entries: Sequence[CatalogueEntry], now: datetime) -> Imported: ...

    def retire(self, package_ids: Sequence[int], now: datetime) -> int: ...

    def revive(self, package_ids: Sequence[int], now: datetime) -> int: ...

    def retired(self, package_ids: Sequence[int]) -> Collection[int]: ...


class Store(Protocol):
    """The parts of the store that a pass uses."""

    @property
    def sites(self) -> Links: ...

    @property
    def packages(self) -> Catalogue: ...
