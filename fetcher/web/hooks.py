"""``POST /hooks/{forge}``: signed webhooks, which only make packages due. No page and no cookie is involved."""

from __future__ import annotations

import math
from functools import partial

import structlog
from redis.exceptions import RedisError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fetcher.broker import redis_unavailable
from fetcher.domain.errors import FetcherError
from fetcher.hooks.events import UnreadableEvent, delivery_of, event_of, read_event
from fetcher.hooks.inbox import Placed
from fetcher.hooks.signatures import Forge, is_authentic, sends_secret
from fetcher.monitoring.definitions import HookResult
from fetcher.web.context import WebContext, context_of
from fetcher.web.errors import BadRequest, Forbidden, TooLarge
from fetcher.web.operators import TooManyAttempts, address_of

log = structlog.get_logger(__name__)

LARGEST = 8 * 1024 * 1024
"""Largest body in bytes. A push of 2,048 commits, the most that GitHub lists, has some three megabytes."""

ACCEPTED, IGNORED, MANY = 202, 204, 429

COUNTED_AS = {
    Placed.FIRST: HookResult.ACCEPTED,
    Placed.JOINED: HookResult.COLLAPSED,
    Placed.REPLAYED: HookResult.REPLAYED,
    Placed.REFUSED: HookResult.LIMITED,
}


async def hook(request: Request) -> Response:
    """Place a forge's webhook in the inbox: 202, 204 for an event without effect, or an error.

    Redis has a second to respond. A worker is informed after the response.
    """
    web = context_of(request)
    try:
        forge = Forge(request.path_params["forge"])
    except ValueError:
        raise HTTPException(404) from None
    secret = web.settings.hook_secret_of(forge)
    if secret is None:
        raise HTTPException(404)
    return await run_in_threadpool(partial(_receive, request, web, forge, secret), await _body(request))


def _receive(request: Request, web: WebContext, forge: Forge, secret: str, body: bytes) -> Response:
    headers, now = dict(request.headers), web.clock.now()
    try:
        _authenticate(request, web, forge, secret, body)
    except (Forbidden, TooManyAttempts):
        web.runtime.count_hook(forge, HookResult.REJECTED)
        raise
    try:
        hint = read_event(forge, headers, body)
    except UnreadableEvent as error:
        web.runtime.count_hook(forge, HookResult.UNREADABLE)
        raise BadRequest(str(error), "Send the forge's own events, as application/json") from None
    if hint is None:
        web.runtime.count_hook(forge, HookResult.IGNORED)
        return Response(status_code=IGNORED)
    try:
        placed = web.runtime.place_hint(forge, delivery_of(forge, headers, body), hint, now)
    except (RedisError, OSError) as error:
        raise redis_unavailable(error, web.settings) from None
    web.runtime.count_hook(forge, COUNTED_AS[placed])
    log.info("hook", forge=forge, kind=event_of(forge, headers), repository=hint.keys[0], result=placed.name.lower())
    if placed is Placed.REFUSED:
        return Response(status_code=MANY, headers={"Retry-After": "60"})
    inform = BackgroundTask(_inform, web) if placed is Placed.FIRST else None
    return Response(status_code=ACCEPTED, background=inform)


def _authenticate(request: Request, web: WebContext, forge: Forge, secret: str, body: bytes) -> None:
    """Raise ``Forbidden`` for a wrong signature, and ``TooManyAttempts`` after several wrong ones of the address.

    A right signature is always accepted, because it cannot be guessed and a proxy's address is shared by all senders. A
    secret that is sent itself could be guessed, so none is checked during the delay.
    """
    address, now, headers = address_of(request), web.clock.now(), dict(request.headers)
    delay = web.hook_throttle.delay(address, now)
    guessable = sends_secret(forge, headers)
    if not (delay and guessable) and is_authentic(forge, headers, body, secret, now):
        return
    if delay:
        seconds = max(math.ceil(delay.total_seconds()), 1)
        raise TooManyAttempts("too many wrong signatures from this address", f"Try again in {seconds} s", seconds)
    number = web.hook_throttle.failed(address, now)
    log.warning("hook refused", forge=forge, address=address, attempts=number)
    raise Forbidden("the signature is missing or wrong", "Set the same secret at the forge and in FETCHER_HOOK_SECRET")


def _inform(web: WebContext) -> None:
    """Inform a worker. If it fails, ``fetcher.expire`` finds the hint within a minute."""
    try:
        web.runtime.take_hints()
    except FetcherError as error:
        log.warning("hook", reason=str(error))


async def _body(request: Request) -> bytes:
    """Return the raw body. Raise ``TooLarge`` before more than ``LARGEST`` bytes are kept."""
    stated = request.headers.get("content-length", "")
    too_large = TooLarge("the webhook is too large", f"Send at most {LARGEST} bytes")
    if stated.isdecimal() and (len(stated) > 12 or int(stated) > LARGEST):
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise too_large
    return bytes(body)
