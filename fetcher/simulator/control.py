"""The control API under ``/_simulator/``: the log, the faults, the world's changes and its truth."""

import json
from collections.abc import Awaitable, Callable
from datetime import date
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from fetcher.simulator import truth
from fetcher.simulator.actions import BadActionError, act
from fetcher.simulator.changes import UnknownTargetError
from fetcher.simulator.faults import Rule
from fetcher.simulator.state import State

LOG_SHOWN = 1_000

Endpoint = Callable[[Request], Awaitable[Response]]


class Control:
    """Routes that no upstream has. They are meant for loopback: every client that reaches the port may use them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.app = Router(
            routes=[
                Route("/log", _plainly(self.log), methods=["GET"]),
                Route("/log", _plainly(self.clear_log), methods=["DELETE"]),
                Route("/summary", _plainly(self.summary), methods=["GET"]),
                Route("/faults", _plainly(self.list_faults), methods=["GET"]),
                Route("/faults", _plainly(self.add_faults), methods=["POST"]),
                Route("/faults", _plainly(self.clear_faults), methods=["DELETE"]),
                Route("/actions", _plainly(self.actions), methods=["POST"]),
                Route("/truth/{owner:path}/{name}", _plainly(self.repository_truth), methods=["GET"]),
                Route("/truth/{project}", _plainly(self.project_truth), methods=["GET"]),
            ]
        )

    async def log(self, request: Request) -> Response:
        """Return the newest requests, oldest first; ``?route=``, ``?package=`` and ``?limit=`` filter them."""
        wanted = {name: request.query_params.get(name) for name in ("route", "package", "upstream")}
        matching = (
            entry
            for entry in reversed(list(self._state.journal.entries))
            if wanted["route"] in (None, entry.route)
            and wanted["upstream"] in (None, entry.upstream)
            and (wanted["package"] is None or wanted["package"] in entry.packages)
        )
        limit = int(request.query_params.get("limit", LOG_SHOWN))
        return JSONResponse([entry.as_json() for entry in islice(matching, limit)][::-1])

    async def clear_log(self, _request: Request) -> Response:
        self._state.journal.clear()
        return Response(status_code=204)

    async def summary(self, _request: Request) -> Response:
        return JSONResponse(self._state.journal.summary())

    async def list_faults(self, _request: Request) -> Response:
        return JSONResponse(self._state.faults.as_json())

    async def add_faults(self, request: Request) -> Response:
        given = await _json(request)
        rules = [Rule.read(one, self._state.upstreams) for one in (given if isinstance(given, list) else [given])]
        for rule in rules:
            self._state.faults.add(rule)
        return JSONResponse(self._state.faults.as_json(), status_code=201)

    async def clear_faults(self, _request: Request) -> Response:
        self._state.faults.clear()
        return Response(status_code=204)

    async def actions(self, request: Request) -> Response:
        """Carry out one action or a list of them; the response has one result for each."""
        given = await _json(request)
        if isinstance(given, list):
            return JSONResponse([act(self._state, one) for one in given])
        return JSONResponse(act(self._state, given))

    async def repository_truth(self, request: Request) -> Response:
        """Return a repository's truth; ``?day=YYYY-MM-DD`` selects the day of the weekly counts."""
        target = "{owner}/{name}".format_map(request.path_params)
        repository = self._state.world.repository(target)
        if repository is None:
            raise UnknownTargetError(f"no repository {target}")
        day = request.query_params.get("day")
        today = date.fromisoformat(day) if day else self._state.world.clock.today()
        return JSONResponse(truth.of_repository(repository, today) | self._state.facts(repository))

    async def project_truth(self, request: Request) -> Response:
        project = self._state.world.project(request.path_params["project"])
        if project is None:
            raise UnknownTargetError(f"no project {request.path_params['project']}")
        return JSONResponse(truth.of_project(project))


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise BadActionError(f"the body is no JSON: {error}") from error


def _plainly(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that responds to a wrong request with one line that states the error."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except UnknownTargetError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return answer
