"""Rendering of templates. Values are escaped, except ``Markup`` from this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from fetcher import __version__
from fetcher.domain.changes import change_in_words
from fetcher.domain.formatting import ago, failure_kind, in_words, outcome_name, percent, span
from fetcher.domain.presentation import due_reason, failed_for, last_outcome, provenance
from fetcher.web.context import PAUSE_HOURS, context_of, pauses


@pass_context
def when(context: Context, moment: datetime | None) -> Markup:
    """Format the time since ``moment``. The exact time is in the element's attributes."""
    if moment is None:
        return Markup("never")
    local = moment.astimezone(context["zone"])
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), local.strftime("%Y-%m-%d %H:%M:%S %Z"), ago(moment, context["now"])
    )


def number(value: float | None) -> str:
    """Format a number with narrow spaces between groups of three digits."""
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


_PAGES = ("/packages", "/failures", "/api/schema", "/readyz")
_MARKED = re.compile(r"(`[^`]+`|(?<![\w/.-])(?:" + "|".join(_PAGES) + r")(?![\w/-]))")

words = in_words
"""Format an identifier as words."""


def marked(text: str) -> Markup:
    """Format a message: commands between backticks as code, and the paths of pages as links."""
    parts = _MARKED.split(str(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part[1:-1])
        if part.startswith("`") and part.endswith("`") and len(part) > 1
        else Markup('<a href="{}">{}</a>').format(part, part)
        if part in _PAGES
        else part
        for part in parts
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fetcher.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": when, "number": number, "percent": percent, "words": words, "span": span}
    environment.filters |= {"kind": failure_kind, "provenance": provenance, "outcome": outcome_name, "marked": marked}
    environment.filters |= {"change": change_in_words}
    environment.globals |= {
        "pause_hours": PAUSE_HOURS,
        "due_reason": due_reason,
        "failed_for": failed_for,
        "last_outcome": last_outcome,
    }
    return environment


TEMPLATES = _environment()


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render ``template``. Shared caches must not store the page, because it depends on the session."""
    web = context_of(request)
    common = {
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "now": web.clock.now(),
        "zone": web.settings.time_zone,
        "session": web.sessions.read(request),
        "login_possible": web.sessions.possible,
        "version": __version__,
    }
    if "pauses" not in values:
        common["pauses"] = pauses(web)
    page = TEMPLATES.get_template(template).render({**common, **values})
    return HTMLResponse(page, status_code, {"Cache-Control": "private, no-cache", **(headers or {})})
