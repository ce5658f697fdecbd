"""The operator's forms that pause work and resume it, as `fetcher pause` and `fetcher resume` do."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request

from fetcher.domain.audit import Action, AuditEntry
from fetcher.domain.pauses import OperatorPause, PauseScope
from fetcher.web.actions import by_operator
from fetcher.web.context import PAUSE_HOURS, WebContext
from fetcher.web.errors import BadRequest
from fetcher.web.operators import SESSION, address_of

LONGEST_REASON = 200


def _pause(request: Request, web: WebContext, form: list[tuple[str, str]]) -> str:
    fields, now = dict(form), web.clock.now()
    reason = " ".join(fields.get("why", "").split())
    if not 0 < len(reason) <= LONGEST_REASON:
        raise BadRequest("a pause needs a reason", f"State one of at most {LONGEST_REASON} characters")
    if fields.get("scope") not in set(PauseScope):
        raise BadRequest("unknown scope of a pause", f"Choose one of: {', '.join(PauseScope)}")
    hours = fields.get("hours", "")
    if hours not in {"", *PAUSE_HOURS}:
        raise BadRequest("unknown length of a pause", f"Choose none, or one of: {', '.join(PAUSE_HOURS)}")
    until = now + timedelta(hours=int(hours)) if hours else None
    begun = OperatorPause(PauseScope(fields["scope"]), now, until, reason, SESSION)
    web.store.pauses.pause(begun)
    web.audit([AuditEntry(now, SESSION, Action.PAUSE, detail=begun.detail, address=address_of(request))])
    return "/"


def _resume(request: Request, web: WebContext, _form: list[tuple[str, str]]) -> str:
    now = web.clock.now()
    ended = web.store.pauses.resume(now)
    details = [f"{one.scope}: {one.reason}" for one in ended]
    web.audit([AuditEntry(now, SESSION, Action.RESUME, detail=one, address=address_of(request)) for one in details])
    return "/"


pause = by_operator(_pause)
resume = by_operator(_resume)
