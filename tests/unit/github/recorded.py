"""Recorded GitHub responses in their documented shapes, and functions to vary them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fetcher.http.messages import Response
from tests.harness.clock import HOUR, NOW

DATA = Path(__file__).parents[2] / "data" / "github"
RESET = NOW + HOUR
QUOTA = {
    "x-ratelimit-limit": "5000",
    "x-ratelimit-remaining": "4987",
    "x-ratelimit-reset": str(int(RESET.timestamp())),
    "x-ratelimit-resource": "core",
    "x-ratelimit-used": "13",
}
SPENT = {**QUOTA, "x-ratelimit-remaining": "0"}
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


def recorded(name: str) -> Any:
    """Return the JSON of ``tests/data/github``."""
    return json.loads((DATA / f"{name}.json").read_bytes())


def response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with GitHub's usual headers; bytes are sent unchanged."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual = {"content-type": "application/json; charset=utf-8", **QUOTA}
    return Response(status, {**usual, **(headers or {})}, content, 0.2)


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in GitHub's form."""
    return response({"message": message, "documentation_url": "https://docs.github.com/rest"}, status, headers)
