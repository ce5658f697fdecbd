"""The precedence of statements about a host: an editor's word, the settings, well-known hosts, detection. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from fetcher.catalogue.addresses import location_of
from fetcher.catalogue.public_hosts import private_name
from fetcher.domain.forges import WORDS, ForgeKind, KnownBy, StoredForge
from fetcher.domain.model import CatalogueEntry
from fetcher.forge_settings import ForgeSetting
from fetcher.upstreams.hosted import known
from fetcher.upstreams.hosted.base import ForgeHost

WORD = "repo_host"
"""Key of a document with the editor's word for the kind of the package's host."""


def forge_host(host: str, settings: Mapping[str, ForgeSetting], stored: StoredForge | None = None) -> ForgeHost:
    """Return all that is known of ``host``. An unknown one is served by git, which every kind speaks."""
    setting = settings.get(host)
    kind, known_by = _kind(host, setting, stored)
    api, git = _roots(host, setting)
    return ForgeHost(
        name=known.NAMES.get(host, host),
        host=host,
        kind=kind,
        root=api,
        git_root=git,
        token=setting.token.get_secret_value() if setting is not None and setting.token is not None else None,
        per_second=setting.per_second if setting is not None else None,
        trusted=setting is not None,
        known_by=known_by,
    )


def forge_hosts(settings: Mapping[str, ForgeSetting], stored: Iterable[StoredForge]) -> tuple[ForgeHost, ...]:
    """Return the hosts of the settings and of the catalogue, in the order of their names."""
    rows = {one.host: one for one in stored}
    hosts = (forge_host(host, settings, rows.get(host)) for host in settings.keys() | rows.keys())
    return tuple(sorted(hosts, key=lambda one: one.name))


def refusal(host: str, settings: Mapping[str, ForgeSetting]) -> str | None:
    """Return the reason why repositories on ``host`` are not fetched; ``None`` if they are."""
    if host in settings:
        return None
    reason = private_name(host)
    return None if reason is None else f"{reason}; only an operator's FETCHER_FORGES may name it"


def is_to_detect(host: str, settings: Mapping[str, ForgeSetting]) -> bool:
    """Return whether neither the settings nor the well-known hosts state the kind of ``host``."""
    setting = settings.get(host)
    return host not in known.KINDS and (setting is None or setting.kind is None)


def stated_kinds(entries: Iterable[CatalogueEntry]) -> dict[str, ForgeKind]:
    """Return the kinds that editors' entries state for hosts. Of two words for one host the later counts."""
    found: dict[str, ForgeKind] = {}
    for entry in entries:
        word = entry.extra.get(WORD)
        kind = WORDS.get(word.strip().lower()) if isinstance(word, str) else None
        location = None if kind is None else location_of(entry.repo_url)
        if kind is not None and location is not None:
            found[location.host] = kind
    return found


def _kind(host: str, setting: ForgeSetting | None, stored: StoredForge | None) -> tuple[ForgeKind, KnownBy]:
    if stored is not None and stored.kind is not None and stored.known_by is KnownBy.EDITOR:
        return stored.kind, KnownBy.EDITOR
    if setting is not None and setting.kind is not None:
        return setting.kind, KnownBy.SETTINGS
    if host in known.KINDS:
        return known.KINDS[host], KnownBy.WELL_KNOWN
    if stored is not None and stored.kind is not None:
        return stored.kind, KnownBy.DETECTED
    return ForgeKind.GIT, KnownBy.ASSUMED


def _roots(host: str, setting: ForgeSetting | None) -> tuple[str, str]:
    """Return the roots of API and clone addresses. Clone addresses are below the stated root, except Bitbucket's."""
    public = known.roots_of(host)
    if setting is None or setting.root is None:
        return public.api, (setting.git if setting is not None else None) or public.git
    same = urlsplit(setting.root).netloc == urlsplit(public.api).netloc
    return setting.root, setting.git or (public.git if same else setting.root)
