"""What people do on the pages: log in and out, refresh, retry. Plain forms, answered by leading on to a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fetcher.domain.errors import RetiredPackage
from fetcher.domain.formatting import failure_kind
from fetcher.web.faults import BadQuery, Refused
from fetcher.web.pages import login_page
from fetcher.web.queries import find, read_form, to_refresh
from fetcher.web.session import from_here, is_ours, local_path
from fetcher.web.site import Site, site_of

SEE_OTHER = 303

_FOREIGN = "this form was not sent from a page of ours, or is older than the session"
_FOREIGN_REMEDY = "Go back, load the page again, and try once more"


async def login(request: Request) -> Response:
    """Take the token, and open a session with it."""
    sessions, form = site_of(request).sessions, dict(await read_form(request))
    leads_to = local_path(form.get("next", "/"))
    if not from_here(request):
        raise Refused(_FOREIGN, _FOREIGN_REMEDY)
    if not sessions.accepts(form.get("token", "")):
        return await run_in_threadpool(login_page, request, leads_to, "This is not the operator's token.")
    response = RedirectResponse(leads_to, SEE_OTHER)
    sessions.open(request, response)
    return response


async def logout(request: Request) -> Response:
    """Have the browser forget the session."""
    form = dict(await read_form(request))
    session = site_of(request).sessions.read(request)
    if session is not None and not is_ours(request, session, form):
        raise Refused(_FOREIGN, _FOREIGN_REMEDY)
    response = RedirectResponse("/", SEE_OTHER)
    site_of(request).sessions.close(response)
    return response


Action = Callable[[Request, Site, list[tuple[str, str]]], str]
"""Does what a form asks for, and says which page to show next."""


def by_operator(act: Action) -> Callable[[Request], Awaitable[Response]]:
    """``act`` for who is logged in and sent the form from our own page; others are asked to log in first."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        site = site_of(request)
        session = site.sessions.read(request)
        if session is None:
            back = local_path(dict(form).get("back", "/"))
            return RedirectResponse(f"/login?next={quote(back)}", SEE_OTHER)
        if not is_ours(request, session, dict(form)):
            raise Refused(_FOREIGN, _FOREIGN_REMEDY)
        return RedirectResponse(await run_in_threadpool(act, request, site, form), SEE_OTHER)

    return endpoint


def _refresh(request: Request, site: Site, _form: list[tuple[str, str]]) -> str:
    package = find(site.store, request.path_params["slug"])
    site.workings.refresh([to_refresh(package)], site.clock.now())
    return f"/packages/{quote(package.entry.slug)}"


def _retry(_request: Request, site: Site, form: list[tuple[str, str]]) -> str:
    """Ask again: the packages that are named, or all that fail in a way that is named."""
    slugs = [value for name, value in form if name == "slug"]
    kinds = {value for name, value in form if name == "kind"}
    slugs += [row.slug for row in site.store.failures() if failure_kind(row.state) in kinds]
    package_ids = list(site.store.package_ids(list(dict.fromkeys(slugs))).values())
    if not package_ids:
        raise BadQuery("nothing was named that fails", "Choose a package or a kind of failure")
    retired = site.store.retired(package_ids)
    wanted = [package_id for package_id in package_ids if package_id not in retired]
    if not wanted:
        raise RetiredPackage("every package that was named is retired", "`fetcher revive` has one fetched again")
    site.workings.refresh(wanted, site.clock.now())
    return "/failures"


refresh = by_operator(_refresh)
retry = by_operator(_retry)
