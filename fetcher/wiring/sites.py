"""The database of a directory's site, and the passes over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetcher.domain.errors import ConfigError
from fetcher.domain.sites import SITE, GonePolicy, SitePass

if TYPE_CHECKING:
    from fetcher.settings import Settings
    from fetcher.sites.base import Site
    from fetcher.sites.synchronizer import Synchronizer
    from fetcher.store import SqlStore


def open_site(settings: Settings, *, read_only: bool = False) -> Site:
    """Return the site's database that the settings name; ``ConfigError`` if they name none. The caller closes it.

    ``read_only``: its server rejects every write.
    """
    from fetcher.sites.django_packages.site import DjangoPackages  # noqa: PLC0415

    if settings.site_url is None:
        raise ConfigError("no site is configured", "Set FETCHER_SITE_URL to the PostgreSQL address of its database")
    return DjangoPackages(
        settings.site_url.get_secret_value(), gone=GonePolicy(settings.site_gone), read_only=read_only
    )


def last_site_pass(settings: Settings, store: SqlStore) -> SitePass | None:
    """Return the last pass over the configured site; ``None`` without a site.

    The pass over a site that was removed from the settings says nothing: no later one will correct its fault.
    """
    return None if settings.site_url is None else store.sites.last_pass(SITE)


def synchronizer(settings: Settings, site: Site, store: SqlStore) -> Synchronizer:
    """Return the passes over a site with the cadence of the settings."""
    from fetcher.sites.synchronizer import Synchronizer  # noqa: PLC0415

    return Synchronizer(site, store, settings.recheck_interval)
