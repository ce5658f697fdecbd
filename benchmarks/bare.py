"""The queries of an unchanged pass, sent by httpx alone: the lower bound of Fetcher's CPU."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
from sqlalchemy import select

from fetcher.http.messages import Request
from fetcher.store.dialects import chunks
from fetcher.store.schema import observations
from fetcher.upstreams.github.requests import api_at, statistics_by_id
from fetcher.upstreams.pypi import root_request
from fetcher.upstreams.pypi.serials_check import ROOT
from fetcher.wiring import Parts

BATCH = 100


def queries(parts: Parts) -> list[Request]:
    """Return the requests of a pass: the index's root with its validators, and statistics in full batches."""
    with parts.store.engine.connect() as connection:
        ids = connection.execute(select(observations.c.handle).order_by(observations.c.package_id)).scalars()
        known = [one for one in ids if one]
    root = root_request(parts.settings.pypi_url, parts.store.checkpoints.get(ROOT).validators)
    return [root, *(statistics_by_id(api_at(parts.settings.github_api_url), batch) for batch in chunks(known, BATCH))]


async def ask(requests: Sequence[Request], token: str) -> int:
    """Send the requests one after another over one kept connection; read and discard each response."""
    received = 0
    async with httpx.AsyncClient(timeout=60, headers={"authorization": f"Bearer {token}"}) as client:
        for request in requests:
            answer = await client.request(
                request.method, request.url, headers=dict(request.headers), content=request.body
            )
            assert answer.status_code in (httpx.codes.OK, httpx.codes.NOT_MODIFIED), answer.text
            received += len(answer.content)
    return received
