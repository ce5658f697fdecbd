"""The database of a directory's site, and the passes over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fetcher.domain.errors import ConfigError
from fetcher.domain.sites import GonePolicy

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


def synchronizer(settings: Settings, site: Site, store: SqlStore) -> Synchronizer:
    """Return the passes over a site with the cadence of the settings."""
    from fetcher.sites.synchronizer import Synchronizer  # noqa: PLC0415

    return Synchronizer(site, store, settings.recheck_interval)
