"""Findings of ``fetcher doctor`` about one host: its kind, how this is known, and whether it responds. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never

from fetcher.domain.forges import KnownBy, StoredForge
from fetcher.domain.formatting import ago, span
from fetcher.domain.outcome import (
    Blocked,
    Gone,
    Malformed,
    Moved,
    NonValue,
    NotModified,
    NotReady,
    Overloaded,
    Replaced,
    Throttled,
    Transient,
    Unauthorized,
)
from fetcher.http.messages import Answer, Response, ResponseMeta
from fetcher.quota import QuotaPolicy
from fetcher.upstreams.base import Finding
from fetcher.upstreams.hosted.base import ForgeHost

_KNOWN_BY: Final = {
    KnownBy.EDITOR: "stated by an editor",
    KnownBy.SETTINGS: "stated by FETCHER_FORGES",
    KnownBy.WELL_KNOWN: "well known",
    KnownBy.DETECTED: "detected",
    KnownBy.ASSUMED: "not detected yet: git alone is read",
}

_TOO_MANY: Final = 429


def known_in_words(host: ForgeHost, title: str) -> str:
    """Return the kind of ``host`` and the origin of this knowledge: ``Forgejo, detected``."""
    return f"{title}, {_KNOWN_BY[host.known_by]}"


def host_finding(
    host: ForgeHost, title: str, policy: QuotaPolicy, answer: Answer, read: Response | NonValue, meta: ResponseMeta
) -> Finding:
    """Return the finding about ``host`` from its response to the probe, and from its meaning at the host's kind.

    A host that only editors have named is not the operator's, so its failure is reported but in order.
    """
    known = known_in_words(host, title)
    failure = _failure(host, answer, read)
    if failure is None:
        return Finding(host.name, True, f"{known}; responds, {_token(host)}, {_pace(policy, meta)}")
    reason, remedy = failure
    if not host.trusted:
        return Finding(host.name, True, f"{known}; {reason}. Its packages wait, others do not")
    return Finding(host.name, False, f"{known}; {reason}", remedy)


def detection_finding(forge: StoredForge, name: str, now: datetime) -> list[Finding]:
    """Return the reason and the next attempt of a failed detection: one finding, or none."""
    if not forge.failures or forge.message is None:
        return []
    text = f"the kind of {forge.host} could not be detected ({forge.message}); tried again {ago(forge.due_at, now)}"
    return [Finding(name, True, text)]


def contact_finding(contact: str | None, hosts: int) -> list[Finding]:
    """Ask for a contact if the catalogue has repositories on other hosts than GitHub."""
    if contact is not None or not hosts:
        return []
    message = f"none is given, but {hosts:,} {'host' if hosts == 1 else 'hosts'} beside GitHub are requested"
    remedy = "Set FETCHER_CONTACT to an address by which the operators of small forges can reach you"
    return [Finding("contact", False, message, remedy)]


def _failure(host: ForgeHost, answer: Answer, read: Response | NonValue) -> tuple[str, str] | None:
    """Return the reason and the remedy of a response by which the host cannot be used."""
    match read:
        case Response() | NotModified() | NotReady() | Moved():
            return None
        case Throttled() if isinstance(answer, Response) and answer.status == _TOO_MANY:
            return None
        case Unauthorized():
            reason = "the token was rejected" if host.token else "it requires a token"
            return reason, f"Set a valid token for {host.host} in FETCHER_FORGES"
        case Gone() | Replaced() | Blocked() | Malformed() if isinstance(answer, Response):
            return read.reason, f"Check the kind, the root and the token of {host.host} in FETCHER_FORGES"
        case Gone() | Replaced() | Blocked() | Malformed() | Transient() | Overloaded() | Throttled():
            return read.reason, f"Check the network, and the root of {host.host} in FETCHER_FORGES"
        case _:
            assert_never(read)


def _token(host: ForgeHost) -> str:
    return "token valid" if host.token else "no token"


def _pace(policy: QuotaPolicy, meta: ResponseMeta) -> str:
    """Return the reported quota, otherwise the pace of background requests."""
    if meta.quota is not None:
        return f"{meta.quota.remaining:,} of {meta.quota.limit:,} requests left"
    resource = policy.resources[0]
    if resource.rolling:
        return f"at most {resource.rolling:,} requests in any {span(policy.hour)}"
    each_second = max(1, int(resource.points * policy.background + 1e-9)) / policy.window.total_seconds()
    return f"at most {each_second:.3g} background requests a second"
