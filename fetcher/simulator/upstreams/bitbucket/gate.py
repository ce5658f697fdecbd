"""Bitbucket's gate: requests an hour of an address, or of an account."""

from datetime import timedelta

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.mount import OpenGate
from fetcher.simulator.upstreams.bitbucket.settings import TOKEN, Bitbucket
from fetcher.simulator.windows import SlidingWindow

HOUR = timedelta(hours=1)
TOO_MANY = "requests an hour"


class BitbucketGate(OpenGate):
    """The gate of every route. A refusal has a plain text, and states no time to wait."""

    def __init__(self, settings: Bitbucket, scale: float, *, enforced: bool) -> None:
        self._anonymous = SlidingWindow(settings.anonymous_per_hour if enforced else 0, HOUR * scale)
        self._account = SlidingWindow(settings.account_per_hour if enforced else 0, HOUR * scale)

    def admit(self, call: Call) -> Answer | None:
        given = call.headers.get("authorization", "")
        call.identity = "bitbucket-user" if given else f"anonymous:{call.address}"
        if given and given.partition(" ")[2] != TOKEN:
            return error(401, "Token is invalid, expired, or not supported for this endpoint.")
        window = self._account if given else self._anonymous
        if window.admit(call.identity, call.now) is None:
            return None
        text = b"Rate limit for this resource has been exceeded"
        return Answer(status=429, body=text, content_type="text/plain", points=0, reason=TOO_MANY)


def error(status: int, text: str) -> Answer:
    """Return an error in Bitbucket's form."""
    return Answer(status=status, payload={"type": "error", "error": {"message": text}})
