"""The complete simulator: one ASGI application, and the two ways to run it."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType

import uvicorn
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from fetcher.simulator.control import Control
from fetcher.simulator.exchange import Answer, Call, Handler, Upstream, message
from fetcher.simulator.faults import Faults, Rule
from fetcher.simulator.front import Front, Gate, OpenGate
from fetcher.simulator.journal import Journal
from fetcher.simulator.state import State
from fetcher.simulator.upstreams.github.account import GitHubAccount
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN, Credentials
from fetcher.simulator.upstreams.github.gate import GRAPHQL_ROUTE, GitHubGate
from fetcher.simulator.upstreams.github.graphql import GitHubGraphQL
from fetcher.simulator.upstreams.github.limits import Ledger, Limits
from fetcher.simulator.upstreams.github.options import GitHubOptions
from fetcher.simulator.upstreams.github.rest import GitHubRest
from fetcher.simulator.upstreams.github.statistics_jobs import Statistics, StatisticsJobs
from fetcher.simulator.upstreams.pypi.upstream import Index, PyPI
from fetcher.simulator.world import World

LOOPBACK = "127.0.0.1"
GITHUB_ROOT = "/github"
ENTERPRISE_ROOT, ENTERPRISE_GRAPHQL = "/api/v3", "/api/graphql"
PYPI_ROOT = "/index"
CONTROL_ROOT = "/_simulator"
START_TIMEOUT = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options with which a world is served."""

    limits: Limits = field(default_factory=Limits)
    statistics: Statistics = field(default_factory=Statistics)
    index: Index = field(default_factory=Index)
    github: GitHubOptions = field(default_factory=GitHubOptions)
    credentials: Credentials = field(default_factory=Credentials)
    faults: tuple[Rule, ...] = ()
    seed: int = 0
    latency: timedelta = timedelta(0)


class Endpoint:
    """A route as an ASGI application of its own, with the least code between the socket and the handler."""

    def __init__(self, front: Front, route: str, handle: Handler) -> None:
        self._front = front
        self._route = route
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front.serve(self._route, self._handle, scope, receive, send)


class Service:
    """Everything behind one port: the state, and the application that serves it."""

    def __init__(self, world: World, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        world.remembered = self.settings.statistics.contributors_lag
        self.state = State(
            world=world,
            journal=Journal(),
            faults=Faults(self.settings.faults, self.settings.seed),
            ledger=Ledger(self.settings.limits),
            credentials=self.settings.credentials,
            jobs=StatisticsJobs(self.settings.statistics),
            pypi=PyPI(world, self.settings.index),
            github=self.settings.github,
        )
        self._github = self._front(
            Upstream.GITHUB, GitHubGate(self.state.credentials, self.state.ledger, self.state.github)
        )
        self._index = self._front(Upstream.PYPI, OpenGate())
        self._index.etags = self.settings.index.etags
        self.app = _router(*self._routes())

    def _front(self, upstream: Upstream, gate: Gate) -> Front:
        return Front(
            upstream=upstream,
            gate=gate,
            faults=self.state.faults,
            journal=self.state.journal,
            clock=self.state.world.clock,
            latency=self.settings.latency,
        )

    def _routes(self) -> list[BaseRoute]:
        graphql = Endpoint(self._github, GRAPHQL_ROUTE, self._graphql().handle)
        github = self._github_routes()
        pypi = [
            Route(path, Endpoint(self._index, name, handle))
            for name, (path, handle) in self.state.pypi.routes().items()
        ]
        pypi.append(_rest(self._index))
        return [
            Mount(GITHUB_ROOT, _router(Route("/graphql", graphql, methods=["POST"]), *github)),
            Route(ENTERPRISE_GRAPHQL, graphql, methods=["POST"]),
            Mount(ENTERPRISE_ROOT, _router(*github)),
            Mount(PYPI_ROOT, _router(*pypi)),
            Mount(CONTROL_ROOT, Control(self.state).app),
        ]

    def _graphql(self) -> GitHubGraphQL:
        return GitHubGraphQL(self.state.world, self.state.ledger, self.state.github)

    def _github_routes(self) -> list[BaseRoute]:
        rest = GitHubRest(self.state.world, self.state.jobs, self.state.github).routes()
        routes: list[BaseRoute] = [
            Route(prefix + path, Endpoint(self._github, name, self._versioned(handle)), methods=["GET"])
            for prefix in ("/repos/{owner}/{name}", "/repositories/{id:int}")
            for name, (path, handle) in rest.items()
        ]
        account = GitHubAccount(self.state.credentials, self.state.ledger, self.state.github).routes()
        for name, (method, path, handle) in account.items():
            routes.append(Route(path, Endpoint(self._github, name, self._versioned(handle)), methods=[method]))
        return [*routes, _rest(self._github)]

    def _versioned(self, handle: Handler) -> Handler:
        """Return a REST handler that returns 410 for a retired version of the API."""

        def handler(call: Call) -> Answer:
            version = call.headers.get("x-github-api-version", "")
            if version in self.state.github.retired_versions:
                return message(410, f"Version {version} of the API is no longer supported.")
            return handle(call)

        return handler


def _router(*routes: BaseRoute) -> Router:
    return Router(routes=routes, redirect_slashes=False)


def _rest(front: Front) -> Route:
    """Return a route for every other address: 404 in the upstream's form, logged so that stray requests are visible."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Route("/{rest:path}", Endpoint(front, "unknown", lambda call: message(404, "Not Found")), methods=methods)


def listen(host: str = LOOPBACK, port: int = 0) -> socket.socket:
    """Return a bound socket, so that the port is known (0 takes a free one) and taken; OSError if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only if the protocol is named; otherwise each POST response waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A uvicorn server that does not raise a signal again when it stops: SIGINT and SIGTERM end it with success."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in previous.items():
                signal.signal(one, handler)


def _uvicorn(service: Service, *, access_log: bool = False) -> _Server:
    config = uvicorn.Config(
        service.app,
        log_level="info" if access_log else "error",
        access_log=access_log,
        lifespan="off",
        timeout_keep_alive=120,
        timeout_graceful_shutdown=1,
        http="h11",
        ws="none",
        proxy_headers=False,
    )
    return _Server(config)


def serve(service: Service, bound: socket.socket, *, access_log: bool = False) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        _uvicorn(service, access_log=access_log).run(sockets=[bound])
    finally:
        bound.close()


class Simulator:
    """The simulator in a thread of this process, for tests: ``with Simulator(world) as simulator: ...``.

    It shares the interpreter with its client: measure CPU against the process (``fetcher simulate``) instead.
    """

    def __init__(self, world: World, settings: Settings | None = None) -> None:
        self.service = Service(world, settings)
        self.state = self.service.state
        self.world = world
        self.log = self.state.journal
        self.faults = self.state.faults
        self._bound = listen()
        self.url = address_of(self._bound)
        self.github_url = self.url + GITHUB_ROOT
        self.graphql_url = self.github_url + "/graphql"
        self.pypi_url = self.url + PYPI_ROOT
        self.token = next(iter(self.state.credentials.identities), DEFAULT_TOKEN)
        self._server = _uvicorn(self.service)
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._bound]))

    def __enter__(self) -> "Simulator":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(START_TIMEOUT.total_seconds())
        self._bound.close()
