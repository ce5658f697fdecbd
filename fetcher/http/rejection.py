"""The log entry for a rejected credential, which an operator has to replace."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)


def log_rejected(reason: str | None, request_id: str | None, **details: object) -> None:
    """Log that the credential was rejected, with the remedy. Call it once for a batch."""
    log.error(
        "credential rejected",
        reason=reason,
        remedy="Replace the token or the App's key, check it with `fetcher doctor`, and start the workers again",
        request=request_id,
        **details,
    )
