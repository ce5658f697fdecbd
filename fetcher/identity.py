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
from fetcher.outcome import Fetched
from fetcher.ports import Marker, Store

log = structlog.get_logger(__name__)


async def account_behind(fingerprint: str, exchange: Exchange, store: Store, api: Api, now: datetime) -> str:
    """The identity of the account that a token belongs to; ``fingerprint`` itself until GitHub has told."""
    known = store.marker(fingerprint)
    if known.message is not None:
        return known.message
    answer = await exchange.ask(viewer(api), Purpose.MANUAL, read_viewer)
    if not isinstance(answer, Fetched):
        log.warning("identity", reason=getattr(answer, "reason", "not told"), kept=fingerprint)
        return fingerprint
    account = answer.value
    identity = f"account:{account.database_id or account.login}"
    store.save_marker(Marker(fingerprint, now, outcome="fetched", message=identity))
    return identity
