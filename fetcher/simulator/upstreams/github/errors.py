"""GitHub's errors: its form of a refusal, its texts, and the two of GraphQL."""

from collections.abc import Mapping
from typing import Any

from fetcher.simulator.exchange import Answer, Call
from fetcher.simulator.faults import Kind, Rule

GRAPHQL_ROUTE = "graphql"
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID"
)
USUAL_TEXT: Mapping[int, str] = {
    401: "Bad credentials",
    403: "Resource not accessible by integration",
    404: "Not Found",
    409: "Git Repository is empty.",
    451: "Repository access blocked",
}


def message(status: int, text: str, **more: Any) -> Answer:
    """Return an error in GitHub's form."""
    documentation = "https://docs.github.com/rest"
    return Answer(status=status, payload={"message": text, "documentation_url": documentation, **more})


def secondary_status(status: int, route: str) -> int:
    """Return the status of a secondary limit on a route: 200 only for GraphQL, 403 instead on other routes."""
    return 403 if status == 200 and route != GRAPHQL_ROUTE else status


def fault_answer(rule: Rule, call: Call) -> Answer:
    """Return the response to a fault that is an error."""
    match rule.kind:
        case Kind.RATE_LIMITED:
            return _graphql_error("RATE_LIMITED", "API rate limit exceeded for user ID 1.")
        case Kind.RESOURCE_LIMITS:
            return _graphql_error("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")
        case Kind.THROTTLE:
            return message(secondary_status(rule.status, call.route), rule.message or SECONDARY)
        case _:
            return message(rule.status, rule.message or USUAL_TEXT.get(rule.status, "Server Error"))


def _graphql_error(kind: str, text: str) -> Answer:
    return Answer(payload={"errors": [{"type": kind, "message": text}]})
