"""The complete simulator: one ASGI application, and the two ways to run it."""

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any

import uvicorn
from starlette.routing import BaseRoute, Router
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from fetcher.simulator.control import Control
from fetcher.simulator.exchange import Handler
from fetcher.simulator.faults import Faults
from fetcher.simulator.front import Front
from fetcher.simulator.journal import Journal
from fetcher.simulator.mount import Mount, Route, Upstream
from fetcher.simulator.state import State
from fetcher.simulator.upstreams.registry import MOUNTS, Settings
from fetcher.simulator.world import World

LOOPBACK = "127.0.0.1"
CONTROL_ROOT = "/_simulator"
START_TIMEOUT = timedelta(seconds=20)


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

    def __init__(self, world: World, settings: Settings | None = None, mounts: Sequence[Mount] = MOUNTS) -> None:
        self.settings = settings or Settings()
        self._prefixes = {mount.name: mount.prefix for mount in mounts}
        self.state = State(
            world=world,
            journal=Journal(),
            faults=Faults(self.settings.faults, self.settings.seed),
            upstreams={mount.name: mount.open(world, self.settings) for mount in mounts},
        )
        served = [route for name, upstream in self.state.upstreams.items() for route in self._mounted(name, upstream)]
        self.app = _router(*served, StarletteMount(CONTROL_ROOT, Control(self.state).app))

    def upstream(self, name: str) -> Any:
        """Return the upstream of a mount, with the attributes of its own class."""
        return self.state.upstreams[name]

    def address(self, name: str, base: str) -> str:
        """Return the address of an upstream under the server's address."""
        return base + self._prefixes[name]

    def environment(self, base: str) -> dict[str, str]:
        """Return the variables that point Fetcher to every upstream under the server's address."""
        variables: dict[str, str] = {}
        forges: dict[str, Mapping[str, Any]] = {}
        for name, upstream in self.state.upstreams.items():
            root = self.address(name, base)
            variables.update(upstream.environment(root))
            forges.update(upstream.forges(root))
        return variables | ({"FETCHER_FORGES": json.dumps(forges)} if forges else {})

    def _mounted(self, name: str, upstream: Upstream) -> Iterator[BaseRoute]:
        front = self._front(name, upstream)
        for prefix, routes in {self._prefixes[name]: upstream.routes(), **upstream.other_prefixes()}.items():
            git = upstream.git if prefix == self._prefixes[name] else None
            first = [] if git is None else list(_served(self._front(name, git), git.routes()))
            yield StarletteMount(prefix, _router(*first, *_endpoints(front, routes)))

    def _front(self, name: str, upstream: Upstream) -> Front:
        return Front(
            name=name,
            upstream=upstream,
            faults=self.state.faults,
            journal=self.state.journal,
            clock=self.state.world.clock,
            latency=self.settings.latency,
        )


def _router(*routes: BaseRoute) -> Router:
    return Router(routes=routes, redirect_slashes=False)


def _endpoints(front: Front, routes: Iterable[Route]) -> Iterator[BaseRoute]:
    """Yield the routes, and one for every other address: an error 404, logged so that stray requests are visible."""
    yield from _served(front, routes)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    missing = Endpoint(front, "unknown", lambda call: front.upstream.error(404, "Not Found"))
    yield StarletteRoute("/{rest:path}", missing, methods=methods)


def _served(front: Front, routes: Iterable[Route]) -> Iterator[BaseRoute]:
    for route in routes:
        yield StarletteRoute(route.path, Endpoint(front, route.name, route.handle), methods=[route.method])


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

    def __init__(self, world: World, settings: Settings | None = None, mounts: Sequence[Mount] = MOUNTS) -> None:
        self.service = Service(world, settings, mounts)
        self.state = self.service.state
        self.world = world
        self.log = self.state.journal
        self.faults = self.state.faults
        self._bound = listen()
        self.url = address_of(self._bound)
        self.environment = self.service.environment(self.url)
        self._server = _uvicorn(self.service)
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)

    def upstream(self, name: str) -> Any:
        """Return the upstream of a mount, with the attributes of its own class."""
        return self.service.upstream(name)

    def address(self, name: str) -> str:
        """Return the address of the upstream of a mount."""
        return self.service.address(name, self.url)

    @property
    def github_url(self) -> str:
        return self.address("github")

    @property
    def graphql_url(self) -> str:
        return self.github_url + "/graphql"

    @property
    def pypi_url(self) -> str:
        return self.address("pypi")

    @property
    def token(self) -> str:
        """Return the first valid token of GitHub."""
        return self.environment["FETCHER_GITHUB_TOKEN"]

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
