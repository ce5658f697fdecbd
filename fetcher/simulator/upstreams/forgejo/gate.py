"""Forgejo's gate: the limit of the proxy before it, tokens, and the sign-in that an instance may require."""

from datetime import timedelta

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.mount import OpenGate
from fetcher.simulator.upstreams.forgejo.settings import TOKEN
from fetcher.simulator.windows import SlidingWindow

TOO_MANY = "requests in half an hour"
PAGE = b"<!DOCTYPE html><html><head><title>429</title></head><body>Too many requests</body></html>\n"


class ForgejoGate(OpenGate):
    """The gate of every route. The software itself has no limit and reports no quota."""

    def __init__(self, limit: int, window: timedelta, *, sign_in: bool) -> None:
        self._window = SlidingWindow(limit, window)
        self._sign_in = sign_in

    def admit(self, call: Call) -> Answer | None:
        call.identity = f"anonymous:{call.address}"
        wait = self._window.admit(call.address, call.now)
        if wait is not None:
            return _refused_by_proxy(wait)
        given = call.headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        if given and (scheme.lower() not in ("token", "bearer") or token != TOKEN):
            return _error(401, "invalid username, password or token")
        if given:
            call.identity = "forgejo-user"
        elif self._sign_in and call.route != "front":
            return _error(403, "Only signed in user is allowed to call APIs.")
        return None


def _refused_by_proxy(wait: timedelta) -> Answer:
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    headers = {"retry-after": str(seconds)}
    kind = "text/html; charset=utf-8"
    return Answer(status=429, body=PAGE, content_type=kind, headers=headers, points=0, reason=TOO_MANY)


def _error(status: int, text: str) -> Answer:
    return Answer(status=status, payload={"message": text}, points=0)
