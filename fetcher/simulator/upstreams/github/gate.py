"""GitHub's gate: credentials, limits, and the quota in every response's headers."""

import secrets
from datetime import timedelta

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.faults import Rule
from fetcher.simulator.journal import ASKED_WHILE_WAITING
from fetcher.simulator.upstreams.github.credentials import Credentials, token_of
from fetcher.simulator.upstreams.github.errors import GRAPHQL_ROUTE, SECONDARY, message, secondary_status
from fetcher.simulator.upstreams.github.graphql import rate_limited
from fetcher.simulator.upstreams.github.limits import ANONYMOUS, Form, Ledger, Reason, Refusal, Resource, whole_seconds
from fetcher.simulator.upstreams.github.options import GitHubOptions

APP_ROUTES = frozenset({"installation", "installation_token"})
FREE_ROUTES = frozenset({"rate_limit"})
READ_POINTS, WRITE_POINTS = 1, 5
APP_IDENTITY = "app"


class GitHubGate:
    """The gate of every GitHub route."""

    def __init__(self, credentials: Credentials, ledger: Ledger, options: GitHubOptions) -> None:
        self._options = options
        self._credentials = credentials
        self._ledger = ledger

    def admit(self, call: Call) -> Answer | None:
        call.token = token_of(call.headers.get("authorization"))
        unknown = self._identify(call)
        if unknown is not None:
            unknown.points = 0
            return unknown
        reading = call.method == "GET" or call.route == GRAPHQL_ROUTE
        points = READ_POINTS if reading else WRITE_POINTS
        refusal = self._ledger.admit(call.identity, _resource(call), points, call.now)
        if refusal is None:
            return None
        answer = self._refused(call, refusal)
        answer.reason, answer.points = ASKED_WHILE_WAITING if refusal.again else refusal.reason, 0
        return answer

    def _identify(self, call: Call) -> Answer | None:
        if call.route in APP_ROUTES:
            call.identity = APP_IDENTITY
            signed = call.token is not None and call.token.count(".") == 2
            return None if signed else message(401, "A JSON web token could not be decoded")
        identity = self._credentials.identity(call.token, call.address, call.now)
        if identity is None:
            return message(401, "Bad credentials")
        call.identity = identity
        if call.route == GRAPHQL_ROUTE and identity.startswith(ANONYMOUS):
            return message(401, "This endpoint requires you to be authenticated.")
        return None

    def _refused(self, call: Call, refusal: Refusal) -> Answer:
        if refusal.reason is Reason.PRIMARY:
            if call.route == GRAPHQL_ROUTE:
                return rate_limited(call.identity, self._ledger.standing(call.identity, Resource.GRAPHQL, call.now))
            return message(refusal.form.status, f"API rate limit exceeded for {call.identity}.")
        answer = message(secondary_status(refusal.form.status, call.route), SECONDARY)
        if refusal.form.retry_after:
            answer.headers["retry-after"] = str(whole_seconds(refusal.until, call.now))
        return answer

    def settle(self, call: Call, answer: Answer) -> None:
        if answer.status == 304 or call.route in FREE_ROUTES:
            answer.points = 0
        elif call.route != GRAPHQL_ROUTE and answer.points:  # GraphQL charges itself, because it has the cost
            self._ledger.charge(call.identity, Resource.CORE, answer.points, call.now)
        headers = answer.headers
        headers["x-github-request-id"] = secrets.token_hex(8).upper()
        for name, text in (("deprecation", self._options.deprecation), ("sunset", self._options.sunset)):
            if text is not None:
                headers[name] = text
        if not call.identity:
            return
        resource = _resource(call)
        standing = self._ledger.standing(call.identity, resource, call.now)
        headers["x-ratelimit-limit"] = str(standing.limit)
        headers["x-ratelimit-remaining"] = str(standing.remaining)
        headers["x-ratelimit-used"] = str(standing.used)
        headers["x-ratelimit-reset"] = str(-int(-standing.reset.timestamp() // 1))
        headers["x-ratelimit-resource"] = resource.value

    def release(self, call: Call, took: timedelta) -> None:
        self._ledger.release(call.identity, _resource(call), took, call.now + took)

    def throttled(self, call: Call, rule: Rule) -> None:
        if rule.retry_after is None:
            until = call.now + self._ledger.limits.minute
        else:
            until = call.now + timedelta(seconds=rule.retry_after)
        form = Form(rule.status, rule.retry_after is not None)
        self._ledger.told_to_wait(call.identity, Refusal(Reason.POINTS, form, until), call.now)

    def resource(self, call: Call) -> str:
        return _resource(call).value


def _resource(call: Call) -> Resource:
    return Resource.GRAPHQL if call.route == GRAPHQL_ROUTE else Resource.CORE
