"""The log line of a rejected credential: an operator has to act on it."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)


def log_rejected(reason: str | None, request_id: str | None, **details: object) -> None:
    """Log that the credential was rejected, once for a batch, with the remedy."""
    log.error(
        "credential rejected",
        reason=reason,
        remedy="Replace the token or the App's key and start the workers again: docs/runbooks.md",
        request=request_id,
        **details,
    )
