"""The identity of a token: the account that owns it, requested once per token and stored.

GitHub counts an account's requests over all of its tokens. A ledger by token would let two tokens of one account spend
its quota twice. An App's installation is its own identity.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from fetcher.domain.model import Purpose
from fetcher.domain.outcome import Deferred, Fetched, Unauthorized
from fetcher.http.gateway import Gateway
from fetcher.http.rejection import log_rejected
from fetcher.ports import Checkpoint, Checkpoints
from fetcher.upstreams.github.readers.statistics import read_viewer
from fetcher.upstreams.github.requests import Api, viewer

log = structlog.get_logger(__name__)


async def account_behind(fingerprint: str, gateway: Gateway, checkpoints: Checkpoints, api: Api, now: datetime) -> str:
    """Return the identity of a token's account, or ``fingerprint`` itself until GitHub has reported it."""
    known = checkpoints.get(fingerprint)
    if known.message is not None:
        return known.message
    answer = await gateway.send(viewer(api), Purpose.MANUAL, read_viewer)
    match answer:
        case Fetched(value=account):
            pass
        case Unauthorized(reason=reason, request_id=request_id):
            log_rejected(reason, request_id)
            return fingerprint
        case Deferred(reason=reason):
            log.debug("identity not asked", reason=reason, kept=fingerprint)
            return fingerprint
        case _:
            log.warning("identity not told", reason=getattr(answer, "reason", None), kept=fingerprint)
            return fingerprint
    identity = f"account:{account.database_id or account.login}"
    checkpoints.save(Checkpoint(fingerprint, now, outcome="fetched", message=identity))
    return identity
