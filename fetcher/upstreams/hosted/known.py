"""Well-known hosts: their kind, and the names under which rows, metrics and logs show four of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fetcher.domain.forges import ForgeKind

GITLAB_COM: Final = "gitlab.com"
CODEBERG: Final = "codeberg.org"
BITBUCKET: Final = "bitbucket.org"
SOURCEHUT: Final = "git.sr.ht"

NAMES: Final = {GITLAB_COM: "gitlab", CODEBERG: "codeberg", BITBUCKET: "bitbucket", SOURCEHUT: "sourcehut"}
"""Names of upstreams that differ from their host."""

_WITHOUT_DOT: Final = "host/{}"
"""Name of a host without a dot or a port. Otherwise, an internal host called ``gitlab`` would be gitlab.com's upstream,
with that one's packages and token."""

KINDS: Final = {
    GITLAB_COM: ForgeKind.GITLAB,
    CODEBERG: ForgeKind.FORGEJO,
    BITBUCKET: ForgeKind.BITBUCKET,
    SOURCEHUT: ForgeKind.GIT,
    "framagit.org": ForgeKind.GITLAB,
    "gitlab.freedesktop.org": ForgeKind.GITLAB,
    "gitlab.gnome.org": ForgeKind.GITLAB,
    "invent.kde.org": ForgeKind.GITLAB,
    "salsa.debian.org": ForgeKind.GITLAB,
    "gitea.com": ForgeKind.FORGEJO,
    "git.savannah.gnu.org": ForgeKind.GIT,
    "git.savannah.nongnu.org": ForgeKind.GIT,
    "git.kernel.org": ForgeKind.GIT,
}
"""Kinds of hosts that are not detected."""


def name_of(host: str) -> str:
    """Return the name of the upstream of ``host``, which no other upstream has."""
    named = NAMES.get(host)
    if named is not None:
        return named
    return host if "." in host or ":" in host else _WITHOUT_DOT.format(host)


@dataclass(frozen=True, slots=True)
class Roots:
    """Roots of a host's API and of its clone addresses."""

    api: str
    git: str


def roots_of(host: str) -> Roots:
    """Return the public roots of ``host``: Bitbucket's API has a host of its own."""
    site = f"https://{host}"
    return Roots(f"https://api.{host}" if host == BITBUCKET else site, site)
