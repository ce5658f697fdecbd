"""Descriptions of error statuses in the API's OpenAPI schema."""

from __future__ import annotations

from typing import Any

from fetcher.web.models import Error

_ERRORS = {
    400: "A parameter is not valid.",
    401: "The operator's token is missing or wrong.",
    403: "Refreshing over HTTP is disabled, or the package has no source to fetch.",
    404: "There is no such resource.",
    409: "The package is retired.",
    410: "The changes after the cursor are no longer stored. The remedy names where to take all packages.",
    429: "Several wrong tokens came from this address: `Retry-After` has the seconds until the next check.",
    503: "The database or Redis is unavailable, an operator has paused refreshes, or too many clients wait.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the described responses of these statuses, for a route."""
    return {status: {"model": Error, "description": _ERRORS[status]} for status in statuses}
