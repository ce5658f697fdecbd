"""Form handlers: log in, log out, refresh and retry. Each redirects to a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fetcher.domain.audit import Action
from fetcher.domain.errors import RetiredPackage
from fetcher.domain.formatting import failure_kind
from fetcher.web.context import WebContext, context_of
from fetcher.web.errors import BadRequest, Forbidden
from fetcher.web.operators import SESSION, address_of, is_operator
from fetcher.web.pages import login_page
from fetcher.web.queries import find, read_form, to_refresh
from fetcher.web.session import has_csrf_token, is_same_origin, local_path

SEE_OTHER = 303

_CROSS_SITE = "the form was sent from another site, or is older than the session"
_CROSS_SITE_REMEDY = "Go back, reload the page and try again"


async def login(request: Request) -> Response:
    """Open a session if the form has the operator's token."""
    sessions, form = context_of(request).sessions, dict(await read_form(request))
    target = local_path(form.get("next", "/"))
    if not is_same_origin(request):
        raise Forbidden(_CROSS_SITE, _CROSS_SITE_REMEDY)
    if not await run_in_threadpool(is_operator, request, form.get("token", "")):
        return await run_in_threadpool(login_page, request, target, "This is not the operator's token.")
    response = RedirectResponse(target, SEE_OTHER)
    sessions.open(request, response)
    return response


async def logout(request: Request) -> Response:
    """Delete the session's cookie."""
    form = dict(await read_form(request))
    sessions = context_of(request).sessions
    session = sessions.read(request)
    if session is not None and not has_csrf_token(request, session, form):
        raise Forbidden(_CROSS_SITE, _CROSS_SITE_REMEDY)
    response = RedirectResponse("/", SEE_OTHER)
    sessions.close(response)
    return response


FormAction = Callable[[Request, WebContext, list[tuple[str, str]]], str]
"""An action on the fields of a form. Its result is the path of the next page."""


def by_operator(action: FormAction) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that runs ``action`` for a logged-in operator, and redirects other users to the login."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        web = context_of(request)
        session = web.sessions.read(request)
        if session is None:
            back = local_path(dict(form).get("back", "/"))
            return RedirectResponse(f"/login?next={quote(back)}", SEE_OTHER)
        if not has_csrf_token(request, session, dict(form)):
            raise Forbidden(_CROSS_SITE, _CROSS_SITE_REMEDY)
        return RedirectResponse(await run_in_threadpool(action, request, web, form), SEE_OTHER)

    return endpoint


def _refresh(request: Request, web: WebContext, _form: list[tuple[str, str]]) -> str:
    package = find(web.store.packages, request.path_params["slug"])
    web.request_refreshes([to_refresh(package)], Action.REFRESH, SESSION, address_of(request))
    return f"/packages/{quote(package.entry.slug)}"


def _retry(request: Request, web: WebContext, form: list[tuple[str, str]]) -> str:
    """Refresh the named packages, and all packages with a failure of a named kind."""
    slugs = [value for name, value in form if name == "slug"]
    kinds = {value for name, value in form if name == "kind"}
    slugs += [row.slug for row in web.store.packages.failures() if failure_kind(row.state) in kinds]
    package_ids = list(web.store.packages.ids(list(dict.fromkeys(slugs))).values())
    if not package_ids:
        raise BadRequest("the form names no failing package", "Choose a package or a kind of failure")
    retired = web.store.packages.retired(package_ids)
    wanted = [package_id for package_id in package_ids if package_id not in retired]
    if not wanted:
        raise RetiredPackage("all named packages are retired", "`fetcher revive` resumes fetching")
    submitted = web.request_refreshes(wanted, Action.RETRY, SESSION, address_of(request))
    joined = sum(one.joined for one in submitted)
    return "/failures?" + urlencode({"requested": len(submitted) - joined, "open": joined, "retired": len(retired)})


refresh = by_operator(_refresh)
retry = by_operator(_retry)
