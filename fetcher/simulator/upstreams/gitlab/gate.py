"""GitLab's gate: tokens, the limits of a minute, and the quota in the headers of some responses."""

import json
import secrets
from datetime import timedelta

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.mount import OpenGate
from fetcher.simulator.upstreams.gitlab.settings import MINUTE, TOKEN, GitLab
from fetcher.simulator.windows import SlidingWindow

GRAPHQL, PROJECT, FRONT = "graphql", "project", "front"
OPEN_ROUTES = frozenset({FRONT, "sign_in"})
"""Pages that need no account, and count for no limit of the API."""
TOO_MANY = "requests a minute"
TOO_MANY_PROJECTS = "projects a minute"
RETRY_LATER = b"Retry later\n"
USER = "gitlab-user"


class GitLabGate(OpenGate):
    """The gate of every route. The limit of an API of its own is never in the headers."""

    def __init__(self, settings: GitLab, scale: float, *, enforced: bool) -> None:
        window = MINUTE * scale
        anonymous, users, projects = (
            number if enforced else 0
            for number in (settings.anonymous_per_minute, settings.per_minute, settings.projects_per_minute)
        )
        self._anonymous = SlidingWindow(anonymous, window)
        self._users = SlidingWindow(users, window)
        self._projects = SlidingWindow(projects, window)
        self._sign_in = settings.sign_in
        self.tokens = {TOKEN: USER}
        """Valid tokens and their users."""
        self.members = {USER}
        """Users who may see private projects."""

    def admit(self, call: Call) -> Answer | None:
        call.identity = f"anonymous:{call.address}"
        if call.route in OPEN_ROUTES:
            return None
        call.token = _token(call)
        if call.token is not None:
            if call.token not in self.tokens:
                return self._unauthorized(call)
            call.identity = self.tokens[call.token]
            call.member = call.identity in self.members
        elif self._sign_in:
            return self._unauthorized(call)
        return self._limited(call)

    def _limited(self, call: Call) -> Answer | None:
        window = self._anonymous if call.token is None else self._users
        wait = window.admit(call.identity, call.now)
        if wait is not None:
            refused = _refusal(wait, TOO_MANY)
            _quota(refused, window, call, remaining=0)
            return refused
        wait = self._projects.admit(call.identity, call.now) if call.route == PROJECT else None
        return None if wait is None else _refusal(wait, TOO_MANY_PROJECTS)

    @staticmethod
    def _unauthorized(call: Call) -> Answer:
        graphql = {"errors": [{"message": "Invalid token"}]}
        payload = graphql if call.route == GRAPHQL else {"message": "401 Unauthorized"}
        return Answer(status=401, payload=payload, points=0)

    def settle(self, call: Call, answer: Answer) -> None:
        answer.headers["x-gitlab-meta"] = json.dumps({"correlation_id": secrets.token_hex(8), "version": "1"})
        answer.headers["x-request-id"] = secrets.token_hex(16)
        if call.route == PROJECT and answer.status == 200:
            return  # as recorded: only its errors have these headers
        if call.route not in OPEN_ROUTES and answer.status not in (401, 429):
            window = self._anonymous if call.token is None else self._users
            _quota(answer, window, call, remaining=window.remaining(call.identity))


def _token(call: Call) -> str | None:
    """Return the token of either header; None without one."""
    given = call.headers.get("private-token")
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    return given or (value if scheme.lower() == "bearer" else None) or None


def _refusal(wait: timedelta, reason: str) -> Answer:
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    headers = {"retry-after": str(seconds)}
    return Answer(status=429, body=RETRY_LATER, content_type="text/plain", headers=headers, points=0, reason=reason)


def _quota(answer: Answer, window: SlidingWindow, call: Call, *, remaining: int) -> None:
    """Set the headers of the quota, unless there is no limit."""
    if not window.limit:
        return
    answer.headers |= {
        "ratelimit-limit": str(window.limit),
        "ratelimit-name": "throttle_authenticated_api" if call.token else "throttle_unauthenticated_api",
        "ratelimit-observed": str(window.limit - remaining),
        "ratelimit-remaining": str(remaining),
        "ratelimit-reset": str(int((call.now + window.window).timestamp())),
    }
