"""Templates to pages. Everything is escaped unless it is ``Markup`` that we made ourselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from fetcher import __version__
from fetcher.domain.formatting import ago, failure_kind, percent, span
from fetcher.web.site import site_of


@pass_context
def when(context: Context, moment: datetime | None) -> Markup:
    """How long ago, with the moment itself for machines and for who points at it."""
    if moment is None:
        return Markup("never")
    local = moment.astimezone(context["zone"])
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(), local.strftime("%Y-%m-%d %H:%M:%S %Z"), ago(moment, context["now"])
    )


def number(value: float | None) -> str:
    """Digits in threes, by narrow spaces."""
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def words(text: object) -> str:
    """A name of ours as people read it."""
    return str(text).replace("_", " ")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fetcher.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"when": when, "number": number, "percent": percent, "words": words, "span": span}
    environment.filters["kind"] = failure_kind
    return environment


TEMPLATES = _environment()


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page of ``template``. No cache keeps it: it shows who is logged in."""
    site = site_of(request)
    common = {
        "path": request.url.path,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "now": site.clock.now(),
        "zone": site.settings.time_zone,
        "session": site.sessions.read(request),
        "login_possible": site.sessions.possible,
        "version": __version__,
    }
    page = TEMPLATES.get_template(template).render({**common, **context})
    return HTMLResponse(page, status_code, {"Cache-Control": "private, no-cache", **(headers or {})})
