"""Whose quota a token spends: the account behind it, asked once a token and remembered.

GitHub counts an account's requests over all of its tokens, so a ledger kept by token would let two tokens of one
account spend its quota twice. An App's installation is its own identity.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from fetcher.exchange import Exchange
from fetcher.github.requests import Api, viewer
from fetcher.github.statistics import read_viewer
from fetcher.model import Purpose
from fetcher.outcome import Deferred, Fetched, Unauthorized
from fetcher.ports import Marker, Store
from fetcher.refresh.report import tell_rejected

log = structlog.get_logger(__name__)


async def account_behind(fingerprint: str, exchange: Exchange, store: Store, api: Api, now: datetime) -> str:
    """The identity of the account that a token belongs to; ``fingerprint`` itself until GitHub has told."""
    known = store.marker(fingerprint)
    if known.message is not None:
        return known.message
    answer = await exchange.ask(viewer(api), Purpose.MANUAL, read_viewer)
    match answer:
        case Fetched(value=account):
            pass
        case Unauthorized(reason=reason, request_id=request_id):
            tell_rejected(reason, request_id)
            return fingerprint
        case Deferred(reason=reason):
            log.debug("identity not asked", reason=reason, kept=fingerprint)
            return fingerprint
        case _:
            log.warning("identity not told", reason=getattr(answer, "reason", None), kept=fingerprint)
            return fingerprint
    identity = f"account:{account.database_id or account.login}"
    store.save_marker(Marker(fingerprint, now, outcome="fetched", message=identity))
    return identity
