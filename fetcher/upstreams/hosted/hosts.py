"""The precedence of statements about a host: an editor's word, the settings, well-known hosts, detection. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from fetcher.catalogue.addresses import Location, location_of
from fetcher.catalogue.public_hosts import private_name
from fetcher.domain.forges import WORDS, ForgeKind, KnownBy, StoredForge
from fetcher.domain.model import CatalogueEntry, RepoRef
from fetcher.forge_settings import ForgeSetting
from fetcher.upstreams.hosted import addresses, known
from fetcher.upstreams.hosted.base import ForgeHost

WORD = "repo_host"
"""Key of a document with the editor's word for the kind of the package's host."""


GRAMMARS: Final = 1
"""Version of the grammars. With another one, stored addresses are parsed again."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts of repositories beside GitHub: those of the settings, and those of the catalogue."""

    settings: Mapping[str, ForgeSetting] = field(default_factory=dict)
    stored: tuple[StoredForge, ...] = ()

    def all(self) -> tuple[ForgeHost, ...]:
        """Return the hosts that are requested, in the order of their names."""
        listed = self.settings.keys() | {one.host for one in self.stored}
        hosts = (self.forge(host) for host in listed if self.refusal(host) is None)
        return tuple(sorted(hosts, key=lambda one: one.name))

    @property
    def rules(self) -> str:
        """The rules by which addresses are parsed: the grammars' version, and the settings' hosts with their kinds."""
        kinds = ",".join(f"{host}={one.kind or ''}" for host, one in sorted(self.settings.items()))
        return f"{GRAMMARS}:{hashlib.sha256(kinds.encode()).hexdigest()[:16]}"

    def forge(self, host: str) -> ForgeHost:
        """Return all that is known of ``host``. An unknown one is served by git, which every kind speaks."""
        setting = self.settings.get(host)
        kind, known_by = _kind(host, setting, next((one for one in self.stored if one.host == host), None))
        api, git = _roots(host, setting)
        return ForgeHost(
            name=known.name_of(host),
            host=host,
            kind=kind,
            root=api,
            git_root=git,
            token=setting.token.get_secret_value() if setting is not None and setting.token is not None else None,
            per_second=setting.per_second if setting is not None else None,
            trusted=setting is not None,
            known_by=known_by,
        )

    def name(self, host: str) -> str | None:
        """Return the name of the upstream of ``host``; ``None`` if its repositories are not fetched."""
        return known.name_of(host) if self.refusal(host) is None else None

    def parse(self, location: Location) -> RepoRef | str:
        """Parse a path by the grammar of its host's kind; a text states the violation."""
        reason = self.refusal(location.host)
        if reason is not None:
            return f"{location.host} is {reason}"
        return addresses.parse(location, self.forge(location.host).kind)

    def refusal(self, host: str) -> str | None:
        """Return the reason why repositories on ``host`` are not fetched; ``None`` if they are."""
        reason = None if host in self.settings else private_name(host)
        return None if reason is None else f"{reason}; an operator may name it in FETCHER_FORGES"

    def to_detect(self, now: datetime) -> list[str]:
        """Return the catalogue's hosts that are to be detected now, and whose kind no better statement fixes."""
        return [one.host for one in self.stored if one.is_due(now) and self._is_open(one.host)]

    def _is_open(self, host: str) -> bool:
        """Return whether neither the settings nor the well-known hosts state the kind of ``host``."""
        setting = self.settings.get(host)
        stated = setting is not None and setting.kind is not None
        return host not in known.KINDS and not stated and self.refusal(host) is None


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
